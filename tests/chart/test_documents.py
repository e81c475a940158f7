import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from discovery.manifests import parse_text
from tests.chart.helm import CASES, CHART, NAMESPACE, Document, Helm, case, only, pod

OLDEST, NEWEST = "1.32.0", "1.37.0"
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
UNKNOWN_KINDS = {"ServiceMonitor", "TailscaleEndpoints"}  # to the schemas of Kubernetes
MERGE_KEYS = {
    "env": ("name",),
    "ports": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "containers": ("name",),
    "initContainers": ("name",),
}


def every_list(node: Any) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(node, dict):
        for key, below in node.items():
            if isinstance(below, list):
                yield key, below
            yield from every_list(below)
    elif isinstance(node, list):
        for entry in node:
            yield from every_list(entry)


@pytest.fixture(params=CASES)
def documents(helm4: Helm, request: pytest.FixtureRequest) -> list[Document]:
    return helm4.render(case(request.param))


@pytest.mark.parametrize("name", CASES)
def test_lint_finds_nothing(helm: Helm, name: str) -> None:
    assert "0 chart(s) failed" in helm(
        "lint", "--strict", CHART, "-f", CHART / f"ci/{name}-values.yaml"
    )


@pytest.mark.parametrize("name", CASES)
def test_both_helms_render_the_same(helm3: Helm, helm4: Helm, name: str) -> None:
    assert helm3.render(case(name)) == helm4.render(case(name))


def test_every_document_is_valid_in_the_oldest_and_the_newest_kubernetes(
    documents: list[Document],
) -> None:
    for document in documents:
        if document["kind"] not in UNKNOWN_KINDS:
            kubernetes_validate.validate(document, OLDEST, strict=True)
            kubernetes_validate.validate(document, NEWEST, strict=True)


def test_no_list_has_two_entries_of_one_name(documents: list[Document]) -> None:
    for key, entries in every_list(documents):
        for merge_key in MERGE_KEYS.get(key, ()):
            names = Counter(e[merge_key] for e in entries if isinstance(e, dict) and merge_key in e)
            assert not [name for name, count in names.items() if count > 1]


def test_everything_but_the_clusters_own_says_its_namespace(documents: list[Document]) -> None:
    for document in documents:
        named = "namespace" in document["metadata"]
        assert named == (document["kind"] not in CLUSTER_WIDE), document["metadata"]["name"]


def test_every_object_carries_the_recommended_labels(documents: list[Document]) -> None:
    for document in documents:
        if document["metadata"]["name"] not in {"extra-discovery", "production-api"}:
            labels = document["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == "td"
            assert labels["app.kubernetes.io/managed-by"] == "Helm"
            assert labels["helm.sh/chart"].startswith("tailnet-discovery-")


def test_no_name_is_longer_than_it_may_be(helm4: Helm) -> None:
    long = {**case("everything-else"), "schedule": "0 * * * *", "extraContainers": []}

    for document in helm4.render(long):
        limit = 52 if document["kind"] == "CronJob" else 63
        assert len(document["metadata"]["name"]) <= limit


def test_two_names_are_never_cut_to_the_same(helm4: Helm) -> None:
    documents = helm4.render(case("everything-else"))
    named = Counter((d["kind"], d["metadata"]["name"]) for d in documents)

    assert {name for name, count in named.items() if count > 1} == set()


def test_the_crd_is_the_checked_in_one_with_labels_and_the_keep_annotation(helm4: Helm) -> None:
    rendered = only(helm4.render(case("default")), "CustomResourceDefinition")
    ours = yaml.safe_load((CHART / "files/crds/tailscaleendpoints.yaml").read_text())

    assert rendered["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert rendered["metadata"].pop("labels")
    assert rendered == ours


def test_a_crd_that_is_not_to_be_kept_has_no_annotation(helm4: Helm) -> None:
    rendered = only(helm4.render(case("everything-else")), "CustomResourceDefinition")

    assert "annotations" not in rendered["metadata"]


def test_the_crd_can_be_left_to_somebody_else(helm4: Helm) -> None:
    kinds = {document["kind"] for document in helm4.render(case("namespaced"))}

    assert "CustomResourceDefinition" not in kinds


def test_extra_objects_are_templates_and_the_resource_among_them_is_one(helm4: Helm) -> None:
    documents = helm4.render(case("everything-else"))
    resource = only(documents, "TailscaleEndpoints")
    extra = [d for d in documents if d["metadata"]["name"] == "extra-discovery"]

    assert [d["metadata"]["namespace"] for d in extra] == [NAMESPACE]
    assert resource["metadata"]["namespace"] == NAMESPACE
    assert [str(p) for p in parse_text(json.dumps(resource), "extra").problems] == []


def test_the_service_monitor_finds_the_service_and_its_port(helm4: Helm) -> None:
    documents = helm4.render(case("monitoring"))
    monitor, service = only(documents, "ServiceMonitor"), only(documents, "Service")
    (endpoint,) = monitor["spec"]["endpoints"]

    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert monitor["spec"]["namespaceSelector"] == {
        "matchNames": [service["metadata"]["namespace"]]
    }
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_the_service_monitor_carries_every_value(helm4: Helm) -> None:
    values = case("monitoring")["serviceMonitor"]
    monitor = only(helm4.render(case("monitoring")), "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]

    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["metadata"]["annotations"] == values["annotations"]
    assert monitor["spec"]["targetLabels"] == ["team"]
    for key in (
        "interval",
        "scrapeTimeout",
        "scheme",
        "tlsConfig",
        "relabelings",
        "metricRelabelings",
    ):
        assert endpoint[key] == values[key]


def test_the_services_select_the_controllers_pods_and_no_others(helm4: Helm) -> None:
    documents = helm4.render(case("monitoring"))
    selector = only(documents, "Service")["spec"]["selector"]
    controller = only(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]

    assert selector.items() <= controller.items()
    assert not selector.items() <= only(documents, "Pod")["metadata"]["labels"].items()


def test_the_network_policy_covers_every_pod_and_the_named_ports(helm4: Helm) -> None:
    documents = helm4.render(case("monitoring"))
    policy = only(documents, "NetworkPolicy")["spec"]
    (ingress,) = policy["ingress"]
    ports = {port["name"] for port in pod(documents)["containers"][0]["ports"]}

    assert {port["port"] for port in ingress["ports"]} == ports
    assert ingress["from"] == case("monitoring")["networkPolicy"]["from"]
    for labels in (
        only(documents, "Deployment")["spec"]["template"]["metadata"]["labels"],
        only(documents, "Pod")["metadata"]["labels"],
    ):
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()


def test_a_scheduled_run_is_never_retried_nor_doubled(helm4: Helm) -> None:
    documents = helm4.render(case("schedule"))
    job = only(documents, "CronJob")["spec"]

    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert pod(documents, "CronJob")["restartPolicy"] == "Never"
    assert {"Deployment", "Service"}.isdisjoint(d["kind"] for d in documents)


def test_the_disruption_budget_leaves_one_pod_unless_told_otherwise(helm4: Helm) -> None:
    plain = helm4.render({**case("default"), "podDisruptionBudget": {"enabled": True}})
    told = helm4.render(case("high-availability"))

    assert only(plain, "PodDisruptionBudget")["spec"]["minAvailable"] == 1
    assert "minAvailable" not in only(told, "PodDisruptionBudget")["spec"]
    assert only(told, "PodDisruptionBudget")["spec"]["maxUnavailable"] == "34%"


def test_a_spread_constraint_without_a_selector_gets_the_controllers(helm4: Helm) -> None:
    documents = helm4.render(case("high-availability"))
    first, second = pod(documents)["topologySpreadConstraints"]

    assert first["labelSelector"] == only(documents, "Deployment")["spec"]["selector"]
    assert second["labelSelector"] == {"matchLabels": {"app": "other"}}


def test_the_selector_is_the_same_whatever_the_version_and_the_values(
    helm4: Helm, tmp_path: Any
) -> None:
    chart = tmp_path / "tailnet-discovery"
    for file in ("Chart.yaml", "values.yaml"):
        chart.mkdir(exist_ok=True)
        text = (CHART / file).read_text().replace("ersion: 0.1.0", "ersion: 9.9.9")
        (chart / file).write_text(text)
    for folder in ("templates", "files"):
        (chart / folder).symlink_to(CHART / folder)
    values = {**case("high-availability"), "commonLabels": {"a": "b"}, "podLabels": {"c": "d"}}
    (tmp_path / "values.json").write_text(json.dumps(values))
    text = helm4("template", "td", chart, "-n", NAMESPACE, "-f", tmp_path / "values.json")
    later = [document for document in yaml.safe_load_all(text) if document]

    before = helm4.render(case("default"))

    assert only(later, "Deployment")["metadata"]["labels"]["app.kubernetes.io/version"] == "9.9.9"
    assert (
        only(later, "Deployment")["spec"]["selector"]
        == only(before, "Deployment")["spec"]["selector"]
    )


def test_older_clusters_are_refused(helm: Helm) -> None:
    with pytest.raises(Exception, match=r"incompatible with Kubernetes v1\.31"):
        helm.render(case("default"), "--kube-version=1.31.9")


def test_the_schema_is_draft_07() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
