from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.cli import cli
from discovery.settings import Settings, load
from discovery.settings.environment import known_variables
from tests.chart.helm import CASES, Document, Helm, case, container, only, pod

OAUTH = Path("/etc/tailnet-discovery/oauth")
RUNS = {"schedule": "CronJob"}  # what runs the program where it is no Deployment


def settings(documents: list[Document], folder: Path) -> Settings:
    """Return what the program makes of the rendered configuration file."""
    file = folder / "config.yaml"
    file.write_text(only(documents, "ConfigMap")["data"]["config.yaml"])
    loaded = load(file, environ={})
    assert loaded.warnings == ()
    return loaded.settings


def mounted(documents: list[Document], directory: Path) -> dict[str, Any]:
    """Return the volume that is mounted at a folder."""
    (mount,) = [m for m in container(documents)["volumeMounts"] if m["mountPath"] == str(directory)]
    (volume,) = [v for v in pod(documents)["volumes"] if v["name"] == mount["name"]]
    assert mount["readOnly"]
    found: dict[str, Any] = volume
    return found


@pytest.mark.parametrize("name", [name for name in CASES if name != "everything-else"])
def test_the_program_accepts_the_configuration(helm4: Helm, name: str, tmp_path: Path) -> None:
    named = [tailnet["name"] for tailnet in case(name)["tailnets"]]

    loaded = settings(helm4.render(case(name)), tmp_path)

    assert [tailnet.name for tailnet in loaded.tailnets] == named


def test_a_file_from_a_laptop_arrives_unchanged(helm4: Helm, tmp_path: Path) -> None:
    values = case("several-tailnets")
    keys = ("instance", "mode", "logging", "listen", "deniedCIDRs")
    (tmp_path / "laptop.yaml").write_text(yaml.safe_dump({key: values[key] for key in keys}))
    tried = load(tmp_path / "laptop.yaml", environ={}).settings

    in_cluster = settings(helm4.render(values), tmp_path)

    of_the_chart = {"tailnets": (), "recorder": tried.recorder}
    assert in_cluster.model_copy(update=of_the_chart) == tried


@pytest.mark.parametrize(
    ("name", "kind", "source"),
    [
        ("default", "Deployment", {"emptyDir": {}}),
        ("schedule", "CronJob", {"persistentVolumeClaim": {"claimName": "decisions"}}),
    ],
)
def test_decisions_are_kept_on_a_volume_of_their_own(
    helm4: Helm, tmp_path: Path, name: str, kind: str, source: dict[str, Any]
) -> None:
    values = case(name) | {"recorderVolume": source if name == "schedule" else {}}

    documents = helm4.render(values)

    directory = str(settings(documents, tmp_path).recorder.directory)
    mounts = {m["mountPath"]: m["name"] for m in container(documents, kind)["volumeMounts"]}
    spec = pod(documents, kind)
    assert {"name": mounts[directory], **source} in spec["volumes"]


def test_a_tailnets_own_keys_arrive_unchanged(helm4: Helm, tmp_path: Path) -> None:
    values = case("several-tailnets")
    tailnets = [{k: v for k, v in t.items() if k != "credentials"} for t in values["tailnets"]]
    (tmp_path / "laptop.yaml").write_text(yaml.safe_dump({"tailnets": tailnets}))
    tried = load(tmp_path / "laptop.yaml", environ={}).settings.tailnets

    in_cluster = settings(helm4.render(values), tmp_path).tailnets

    without = [t.model_copy(update={"credentials": tried[0].credentials}) for t in in_cluster]
    assert without == list(tried)


def test_the_one_tailnet_without_credentials_gets_the_oauth_folder(
    helm4: Helm, tmp_path: Path
) -> None:
    tailnets = settings(helm4.render(case("several-tailnets")), tmp_path).tailnets

    assert [str(tailnet.credentials.directory) for tailnet in tailnets] == [
        "/etc/tailnet-discovery/oauth",
        "/etc/tailnet-discovery/credentials/lab.ts.net",
        "/etc/headscale-credentials",
        "None",
    ]


def test_every_folder_of_credentials_is_mounted(helm4: Helm) -> None:
    documents = helm4.render(case("several-tailnets"))
    lab = Path("/etc/tailnet-discovery/credentials/lab.ts.net")

    assert mounted(documents, OAUTH)["secret"]["secretName"] == "td-tailnet-discovery-oauth"
    assert mounted(documents, lab)["secret"]["secretName"] == "lab-tailnet"
    assert mounted(documents, Path("/etc/headscale-credentials"))["secret"]


def test_the_oauth_values_make_the_secret_that_is_mounted(helm4: Helm) -> None:
    documents = helm4.render(case("default"))
    secret = only(documents, "Secret")

    assert mounted(documents, OAUTH)["secret"]["secretName"] == secret["metadata"]["name"]
    assert secret["data"] == {
        "client_id": "azEyMzQ1NkNOVFJM",
        "client_secret": "dHNrZXktY2xpZW50LWsxMjM0NTZDTlRSTC1leGFtcGxl",
    }


@pytest.mark.parametrize("name", sorted(set(CASES) - {"default"}))
def test_no_secret_is_made_where_none_is_given(helm4: Helm, name: str) -> None:
    assert "Secret" not in {document["kind"] for document in helm4.render(case(name))}


def test_a_volume_of_the_users_stands_in_for_the_secret(helm4: Helm) -> None:
    values = {**case("csi"), "oauth": case("default")["oauth"]}

    documents = helm4.render(values)

    assert mounted(documents, OAUTH)["csi"] == case("csi")["oauthSecretVolume"]["csi"]
    assert "Secret" not in {document["kind"] for document in documents}


def test_workload_identity_mounts_a_token_and_the_client_id(helm4: Helm) -> None:
    documents = helm4.render(case("workload-identity"))
    config, token = mounted(documents, OAUTH)["projected"]["sources"]

    assert token["serviceAccountToken"] == {
        "audience": "api.tailscale.com/T123456CNTRL-k123",
        "expirationSeconds": 3600,
        "path": "jwt",
    }
    assert config["configMap"]["items"] == [{"key": "client_id", "path": "client_id"}]
    assert config["configMap"]["name"] == only(documents, "ConfigMap")["metadata"]["name"]
    assert only(documents, "ConfigMap")["data"]["client_id"] == "T123456CNTRL-k123"


def test_no_credential_is_in_the_configuration(helm4: Helm) -> None:
    assert "example" not in str(only(helm4.render(case("default")), "ConfigMap"))


@pytest.mark.parametrize("name", CASES)
def test_the_program_understands_its_arguments(helm4: Helm, name: str) -> None:
    documents = helm4.render(case(name))
    for kind in (RUNS.get(name, "Deployment"), "Pod"):
        arguments = container(documents, kind)["args"]
        with cli.make_context("tailnet-discovery", list(arguments)) as group:
            assert group.params["config"] == Path("/etc/tailnet-discovery/config.yaml")
            called, command, rest = cli.resolve_command(
                group, [*group._protected_args, *group.args]
            )
            assert command is not None
            command.make_context(called, rest, parent=group).close()


@pytest.mark.parametrize(
    ("kind", "command", "name"),
    [
        ("Deployment", ["run"], "default"),
        ("Deployment", ["run", "-n", "production"], "namespaced"),
        ("CronJob", ["sync", "--inventory", "/etc/inventory/devices.json"], "schedule"),
        ("Pod", ["doctor"], "schedule"),
        ("Pod", ["doctor", "-n", "production"], "namespaced"),
    ],
)
def test_each_pod_runs_its_command(helm4: Helm, kind: str, command: list[str], name: str) -> None:
    arguments = container(helm4.render(case(name)), kind)["args"]

    assert arguments == ["--config", "/etc/tailnet-discovery/config.yaml", *command]


def test_the_configuration_is_mounted_where_the_program_reads_it(helm4: Helm) -> None:
    documents = helm4.render(case("default"))
    volume = mounted(documents, Path("/etc/tailnet-discovery/config.yaml"))

    assert volume["configMap"]["name"] == only(documents, "ConfigMap")["metadata"]["name"]


def test_the_ports_are_those_that_the_program_listens_on(helm4: Helm) -> None:
    ports = container(helm4.render(case("several-tailnets")))["ports"]

    assert {port["name"]: port["containerPort"] for port in ports} == {
        "health": 8181,
        "metrics": 9191,
    }


def checksum(documents: list[Document]) -> str:
    metadata = only(documents, "Deployment")["spec"]["template"]["metadata"]
    found: str = metadata["annotations"]["checksum/config"]
    return found


def test_a_change_of_the_configuration_rolls_the_pods(helm4: Helm) -> None:
    before = checksum(helm4.render(case("default")))

    assert checksum(helm4.render({**case("default"), "mode": "Observe"})) != before
    assert checksum(helm4.render({**case("default"), "commonLabels": {"a": "b"}})) == before


def test_a_change_of_the_credentials_does_not(helm4: Helm) -> None:
    other = {"clientId": "other", "clientSecret": "another"}

    assert checksum(helm4.render({**case("default"), "oauth": other})) == checksum(
        helm4.render(case("default"))
    )


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_the_pod_knows_all_that_the_program_asks_of_it(helm4: Helm, kind: str) -> None:
    given = container(helm4.render(case("default")), kind)["env"]
    env = {entry["name"]: entry["valueFrom"] for entry in given if "valueFrom" in entry}
    asked = {v.name: f"metadata.{v.path[-1]}" for v in known_variables() if v.path[0] == "pod"}

    assert {name: source["fieldRef"]["fieldPath"] for name, source in env.items()} == asked


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_a_command_that_somebody_runs_in_the_pod_finds_the_configuration(
    helm4: Helm, kind: str
) -> None:
    own = container(helm4.render(case("default")), kind)

    assert {"name": "TAILNET_DISCOVERY_CONFIG", "value": own["args"][1]} in own["env"]
