"""Which cluster is connected to, with which credential, and what is said if that can not be."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.clients.errors import TransientError
from discovery.clients.kube.connect import connect
from discovery.clients.kube.resources import SERVICES
from discovery.settings.errors import ConfigError
from tests.clients.conftest import ScriptedServer
from tests.clients.kube.conftest import PORTLESS, asked_with, failure, write_kubeconfig
from tests.controlplane.access import ControlPlane

pytestmark = pytest.mark.usefixtures("nowhere")


def changed(path: Path, change: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    return path


# Which cluster.


async def test_a_kubeconfig_that_is_named_is_used(control_plane: ControlPlane) -> None:
    async with connect(control_plane.kubeconfig(namespace="shop")) as client:
        assert (client.server, client.namespace) == (control_plane.url, "shop")
        assert (await client.request("GET", "/version"))["major"] == "1"


async def test_a_context_may_be_named(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", PORTLESS, {})
    other = {"name": "other", "context": {"cluster": "tests", "user": "tests", "namespace": "else"}}
    changed(path, {"contexts": [*yaml.safe_load(path.read_text())["contexts"], other]})

    async with connect(path, "other") as client:
        assert client.namespace == "else"
    async with connect(path) as client:
        assert client.namespace == "shop"


async def test_files_of_kubeconfig_are_merged_and_the_first_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = {
        "name": "one",
        "context": {"cluster": "tests", "user": "tests", "namespace": "first"},
    }
    first = tmp_path / "first"
    first.write_text(yaml.safe_dump({"contexts": [context], "current-context": "one"}))
    second = write_kubeconfig(tmp_path / "second", PORTLESS, {})
    same_name = {"name": "one", "context": {"cluster": "tests", "namespace": "second"}}
    changed(second, {"contexts": [same_name], "current-context": "two"})
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'missing'}:{second}")

    async with connect() as client:
        assert (client.server, client.namespace) == (PORTLESS, "first")


async def test_the_default_kubeconfig_is_in_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write_kubeconfig(tmp_path / ".kube" / "config", PORTLESS, {})

    async with connect() as client:
        assert client.server == PORTLESS


async def test_a_pod_connects_to_its_own_cluster(control_plane: ControlPlane, pod: Path) -> None:
    async with connect(service_account=pod) as client:
        assert (client.server, client.namespace) == (control_plane.url, "shop")
        await client.list(SERVICES, "default")


async def test_a_pod_without_a_token_says_where_it_was_looked_for(pod: Path) -> None:
    (pod / "token").unlink()

    with pytest.raises(ConfigError, match="credentials of the cluster can not be read") as caught:
        async with connect(service_account=pod):
            pass
    assert str(pod) in str(caught.value)


# How it is reached.


async def test_a_proxy_of_the_environment_is_used_except_for_this_machine(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    far = write_kubeconfig(tmp_path / "config", "http://kubernetes.example.com", {})

    await asked_with(server, far)
    assert server.requests[-1].target == "http://kubernetes.example.com/version"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    await asked_with(server, write_kubeconfig(tmp_path / "config", server.url, {}))
    assert server.requests[-1].target == "/version"


async def test_a_proxy_of_the_kubeconfig_comes_first(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    far = write_kubeconfig(tmp_path / "config", "http://kubernetes.example.com", {})
    cluster = {"server": "http://kubernetes.example.com", "proxy-url": server.url}
    changed(far, {"clusters": [{"name": "tests", "cluster": cluster}]})

    await asked_with(server, far)

    assert server.requests[-1].target == "http://kubernetes.example.com/version"


async def test_a_server_behind_a_path_is_asked_there(
    server: ScriptedServer, tmp_path: Path
) -> None:
    await asked_with(server, write_kubeconfig(tmp_path / "c", f"{server.url}/k8s/c-1/", {}))

    assert server.requests[-1].target == "/k8s/c-1/version"


async def test_the_name_in_the_certificate_may_be_another(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    path = write_kubeconfig(tmp_path / "config", control_plane.url, {"token": "token-of-admin"})
    cluster = {
        "server": control_plane.url,
        "certificate-authority": str(control_plane.ca),
        "tls-server-name": "kubernetes.of.somebody.else",
    }
    changed(path, {"clusters": [{"name": "tests", "cluster": cluster}]})

    async with connect(path) as client:
        with pytest.raises(TransientError, match=r"kubernetes\.of\.somebody\.else"):
            await client.request("GET", "/version")


# What is said if there is none.


async def test_nothing_to_connect_to_is_said() -> None:
    assert await failure() == (
        "there is no cluster to connect to (no kubeconfig was found, and this is no pod). "
        "Name a kubeconfig with --kubeconfig or KUBECONFIG."
    )


async def test_a_context_without_a_kubeconfig_is_said() -> None:
    assert await failure(context="prod") == (
        "there is no kubeconfig (context prod). Name one with --kubeconfig or KUBECONFIG."
    )


async def test_a_kubeconfig_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert await failure(tmp_path / "missing") == (
        f"the kubeconfig can not be read: No such file or directory ({tmp_path / 'missing'}). "
        "Name another file with --kubeconfig or KUBECONFIG."
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: b: c", "is no YAML"),
        (b"\xff", "is no YAML"),
        (b"", "is no YAML mapping"),
        (b"- a", "is no YAML mapping"),
        (b"contexts: 5", "has contexts that are no list"),
        (b"users: [{token: very-secret}]", "has an entry in users without a name or a user"),
        (b"users: [{name: a, user: very-secret}]", "has an entry in users without a name"),
        (b"clusters: [very-secret]", "has an entry in clusters without a name or a cluster"),
        (b"contexts: []", "has no current context"),
    ],
)
async def test_a_broken_kubeconfig_is_said_without_quoting_it(
    tmp_path: Path, text: bytes, problem: str
) -> None:
    path = tmp_path / "config"
    path.write_bytes(text)

    said = await failure(path)

    assert said.startswith(f"the kubeconfig {problem}")
    assert str(path) in said
    assert "very-secret" not in said


async def test_an_unknown_context_is_said_with_those_there_are(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", PORTLESS, {})

    assert await failure(path, "prod") == (
        f"the kubeconfig has no context prod ({path}). There are: tests."
    )
    assert (await failure(path, "test")).endswith("Did you mean tests?")


@pytest.mark.parametrize("kind", ["cluster", "user"])
async def test_a_context_that_names_what_is_not_there_is_said(tmp_path: Path, kind: str) -> None:
    path = write_kubeconfig(tmp_path / "config", PORTLESS, {"token": "very-secret"})
    changed(path, {f"{kind}s": []})

    said = await failure(path)

    assert said.startswith(f"the context names a {kind} that is not there: tests ({path}")


async def test_a_context_without_a_user_is_said(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", PORTLESS, {})
    changed(path, {"contexts": [{"name": "tests", "context": {"cluster": "tests"}}]})

    assert await failure(path) == (
        f"the context names no user ({path}, context tests). "
        "Add one with kubectl config set-context, or name another context with --context."
    )


@pytest.mark.parametrize(
    "cluster",
    [
        {},
        {"server": "kubernetes.example.com"},
        {"server": "https://"},
        {"server": "https://user:very-secret@kubernetes.example.com"},
        {"server": "https://[::1"},
        {"server": PORTLESS, "proxy-url": "socks5://127.0.0.1:1080"},
    ],
)
async def test_a_cluster_that_can_not_be_reached_so_is_said(
    tmp_path: Path, cluster: dict[str, Any]
) -> None:
    path = write_kubeconfig(tmp_path / "config", PORTLESS, {})
    changed(path, {"clusters": [{"name": "tests", "cluster": cluster}]})

    said = await failure(path)

    assert said.startswith("the cluster's ")
    assert "very-secret" not in said


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate": "missing.crt", "client-key": "missing.key"},
        {"client-certificate-data": "bm8=", "client-key-data": "bm8="},
        {"client-certificate-data": "!!!", "client-key-data": "!!!"},
        {"tokenFile": "missing"},
        {"auth-provider": {"name": "oidc", "config": {"id-token": "very-secret"}}},
        {"auth-provider": {"name": "oidc"}},
    ],
)
async def test_a_user_whose_credentials_can_not_be_read_is_said(
    tmp_path: Path, user: dict[str, Any]
) -> None:
    path = write_kubeconfig(tmp_path / "config", PORTLESS, user)

    said = await failure(path)

    assert f"({path}, context tests)" in said
    assert "can not be" in said
    assert "very-secret" not in said


async def test_an_authority_that_is_no_certificate_is_said(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", PORTLESS, {})
    (tmp_path / "ca.crt").write_text("no certificate")
    cluster = {"server": PORTLESS, "certificate-authority": "ca.crt"}
    changed(path, {"clusters": [{"name": "tests", "cluster": cluster}]})

    assert (await failure(path)).startswith("the certificates of the cluster can not be used (")


def test_the_library_is_imported_only_when_a_connection_is_made() -> None:
    code = "import discovery.clients.kube.connect, sys; sys.exit('kubernetes' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
