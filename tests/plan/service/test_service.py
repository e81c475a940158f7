from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from kubernetes.client import V1Service

from discovery.plan.changes import Action
from discovery.plan.owner import Owner
from discovery.plan.ports import Port, Transport
from discovery.plan.service import CompanionService, ServicePlan, desired_service, diff_service

OWNER = Owner("default", "web", "uid-1", "shop", headless=True, instance="main")
CLUSTER_IP = replace(OWNER, headless=False)
PORTS = (
    Port("metrics", 9100),
    Port("http", 80, app_protocol="http", checked=True),
    Port("dns", 53, Transport.UDP),
)


def wanted(owner: Owner = OWNER) -> CompanionService:
    service = desired_service(owner, PORTS)
    assert service is not None
    return service


def answer(owner: Owner = OWNER) -> dict[str, Any]:
    """Return the Service as an API server answers it after it was applied."""
    manifest = wanted(owner).manifest()
    manifest["metadata"] |= {"uid": "uid-9", "resourceVersion": "7", "generation": 1}
    spec = manifest["spec"]
    address = "None" if owner.headless else "10.96.7.7"
    spec |= {
        "clusterIP": address,
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "sessionAffinity": "None",
        "ports": [{**port, "targetPort": port["port"]} for port in spec["ports"]],
    }
    spec.setdefault("ipFamilyPolicy", "RequireDualStack")
    del spec["publishNotReadyAddresses"]
    manifest["status"] = {"loadBalancer": {}}
    return manifest


def changed(part: str, **fields: Any) -> dict[str, Any]:
    manifest = answer()
    manifest[part].update(fields)
    return manifest


def with_owner(**reference: Any) -> dict[str, Any]:
    manifest = answer()
    manifest["metadata"]["ownerReferences"][0].update(reference)
    return manifest


def managed(manager: str, *keys: str) -> list[dict[str, Any]]:
    ports: dict[str, Any] = {f"k:{key}": {} for key in keys}
    return [
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {}}},
        {"manager": "tailnet-discovery", "operation": "Apply"},
        {"manager": manager, "fieldsV1": {"f:spec": {"f:ports": {".": {}, **ports}}}},
    ]


def test_a_headless_service_has_no_cluster_ip_and_leaves_families_to_the_server() -> None:
    assert wanted().manifest() == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "shop",
            "namespace": "default",
            "labels": {
                "app.kubernetes.io/managed-by": "tailnet-discovery",
                "gateway.tailscale.com/instance": "main",
            },
            "ownerReferences": [
                {
                    "apiVersion": "gateway.tailscale.com/v1alpha1",
                    "kind": "TailscaleEndpoints",
                    "name": "web",
                    "uid": "uid-1",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": False,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http"},
                {"name": "metrics", "port": 9100, "protocol": "TCP"},
            ],
        },
    }


def test_a_cluster_ip_service_prefers_both_families_and_never_names_an_address() -> None:
    spec = wanted(CLUSTER_IP).manifest()["spec"]
    assert spec["ipFamilyPolicy"] == "PreferDualStack"
    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & spec.keys()


@pytest.mark.parametrize("owner", [OWNER, CLUSTER_IP])
def test_the_typed_client_accepts_the_service(owner: Owner) -> None:
    V1Service.model_validate(wanted(owner).manifest())


def test_a_resource_in_no_cluster_is_no_owner() -> None:
    offline = replace(OWNER, uid="")
    manifest = wanted(offline).manifest()
    assert "ownerReferences" not in manifest["metadata"]
    assert diff_service(manifest, wanted(offline), offline) == ServicePlan()


def test_no_service_is_wanted_where_it_is_disabled() -> None:
    assert desired_service(replace(OWNER, service_name=None), PORTS) is None


def test_a_missing_service_is_created() -> None:
    (change,) = diff_service(None, wanted(), OWNER).changes
    assert (change.action, change.kind, change.namespace, change.name) == (
        Action.CREATE,
        "Service",
        "default",
        "shop",
    )
    assert change.after == wanted().manifest()
    assert change.before is None


@pytest.mark.parametrize("owner", [OWNER, CLUSTER_IP])
def test_what_the_server_fills_in_is_no_difference(owner: Owner) -> None:
    assert diff_service(answer(owner), wanted(owner), owner) == ServicePlan()


def test_labels_of_others_are_no_difference() -> None:
    current = answer()
    current["metadata"]["labels"]["team"] = "shop"
    assert diff_service(current, wanted(), OWNER) == ServicePlan()


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (changed("metadata", labels=None), "Differs in labels."),
        (with_owner(uid="uid-0"), "Differs in owner."),
        (changed("metadata", ownerReferences=None), "Differs in owner."),
        (changed("spec", type="NodePort"), "Differs in type."),
        (changed("spec", publishNotReadyAddresses=True), "Differs in publishNotReadyAddresses."),
        (changed("spec", ports=None), "Differs in ports."),
        (changed("spec", ports=None, type="NodePort"), "Differs in type, ports."),
        (changed("spec", ports=[*answer()["spec"]["ports"][:2]]), "Differs in ports."),
        (
            changed("spec", ports=[*answer()["spec"]["ports"], {"name": "old", "port": 81}]),
            "Differs in ports.",
        ),
        (
            changed("spec", ports=[*answer()["spec"]["ports"][:2], {"port": 9100}]),
            "Differs in ports.",
        ),
    ],
)
def test_a_difference_is_an_update_that_says_what_differs(
    current: dict[str, Any], reason: str
) -> None:
    (change,) = diff_service(current, wanted(), OWNER).changes
    assert (change.action, change.reason) == (Action.UPDATE, reason)
    assert change.before == current
    expected = wanted().manifest()
    expected["metadata"]["uid"] = "uid-9"
    assert change.after == expected


@pytest.mark.parametrize("field", ["app_protocol", "number", "transport"])
def test_every_part_of_a_port_counts(field: str) -> None:
    value: Any = {"app_protocol": "https", "number": 443, "transport": Transport.UDP}[field]
    ports = tuple(replace(p, **{field: value}) if p.name == "http" else p for p in PORTS)
    plan = diff_service(answer(), desired_service(OWNER, ports), OWNER)
    assert [change.reason for change in plan.changes] == ["Differs in ports."]


def test_a_cluster_ip_service_of_one_family_is_a_difference() -> None:
    current = answer(CLUSTER_IP)
    current["spec"]["ipFamilyPolicy"] = "SingleStack"
    (change,) = diff_service(current, wanted(CLUSTER_IP), CLUSTER_IP).changes
    assert change.reason == "Differs in ipFamilyPolicy."


def test_a_port_that_we_no_longer_want_is_a_difference() -> None:
    current = answer()
    current["spec"]["ports"].append({"name": "old", "port": 81, "protocol": "TCP"})
    current["metadata"]["managedFields"] = managed(
        "tailnet-discovery", '{"port":81,"protocol":"TCP"}'
    )
    (change,) = diff_service(current, wanted(), OWNER).changes
    assert change.reason == "Differs in ports."


@pytest.mark.parametrize("keys", [['{"port":81,"protocol":"TCP"}'], []])
def test_a_port_that_somebody_else_added_is_theirs(keys: list[str]) -> None:
    current = answer()
    current["spec"]["ports"].append({"name": "theirs", "port": 81, "protocol": "TCP"})
    current["metadata"]["managedFields"] = managed("kubectl-edit", *keys)
    assert diff_service(current, wanted(), OWNER) == ServicePlan()


@pytest.mark.parametrize(
    ("now", "then", "reason"),
    [
        (OWNER, CLUSTER_IP, "It becomes ClusterIP"),
        (CLUSTER_IP, OWNER, "It becomes headless"),
    ],
)
def test_headless_and_back_is_a_delete_and_a_create_that_needs_it(
    now: Owner, then: Owner, reason: str
) -> None:
    delete, create = diff_service(answer(now), wanted(then), then).changes
    assert (delete.action, delete.reason) == (
        Action.DELETE,
        f"{reason}, which only a new Service can.",
    )
    assert delete.before == answer(now)
    assert delete.after is None
    assert (create.action, create.reason, create.needs) == (Action.CREATE, f"{reason}.", ("shop",))
    assert create.after == wanted(then).manifest()


def test_a_port_that_somebody_else_put_under_a_name_of_ours_takes_a_new_service() -> None:
    current = answer()
    current["spec"]["ports"] = [{"name": "http", "port": 81, "protocol": "TCP"}]
    current["metadata"]["managedFields"] = managed("kubectl-edit", '{"port":81,"protocol":"TCP"}')
    delete, create = diff_service(current, wanted(), OWNER).changes
    assert (delete.action, create.action) == (Action.DELETE, Action.CREATE)
    assert create.reason == "It gets its port 'http' back from somebody else."


@pytest.mark.parametrize(
    ("current", "conflict"),
    [
        (
            with_owner(kind="Deployment", name="shop", uid="uid-0"),
            "is owned by Deployment 'shop'",
        ),
        (with_owner(name="api", uid="uid-0"), "is owned by TailscaleEndpoints 'api'"),
        (
            changed("metadata", ownerReferences=[], labels=None),
            "was not made for this resource",
        ),
        (
            changed(
                "metadata",
                labels={
                    "app.kubernetes.io/managed-by": "tailnet-discovery",
                    "gateway.tailscale.com/instance": "blue",
                },
            ),
            "belongs to instance 'blue'",
        ),
        (
            changed(
                "metadata",
                ownerReferences=[],
                labels={"app.kubernetes.io/managed-by": "tailnet-discovery"},
            ),
            "belongs to no instance",
        ),
    ],
)
def test_a_strangers_service_is_never_touched(current: dict[str, Any], conflict: str) -> None:
    assert diff_service(current, wanted(), OWNER) == ServicePlan(
        conflict=f"Service default/shop exists and {conflict}; set spec.service.name to a free name"
    )


def test_an_orphan_of_ours_is_adopted() -> None:
    current = changed("metadata", ownerReferences=None)
    (change,) = diff_service(current, wanted(), OWNER).changes
    assert change.action is Action.UPDATE


def test_a_service_that_is_being_deleted_is_waited_for() -> None:
    current = changed("metadata", deletionTimestamp="2026-03-01T12:00:00Z")
    current["spec"]["clusterIP"] = "10.0.0.1"
    assert diff_service(current, wanted(), OWNER) == ServicePlan()
    assert diff_service(current, None, OWNER) == ServicePlan()


def test_a_selector_on_our_service_is_told() -> None:
    current = changed("spec", selector={"app": "shop"})
    assert diff_service(current, wanted(), OWNER) == ServicePlan(has_selector=True)


def test_an_unwanted_service_of_ours_is_deleted() -> None:
    (change,) = diff_service(answer(), None, OWNER).changes
    assert (change.action, change.name, change.reason) == (
        Action.DELETE,
        "shop",
        "It is not wanted any more.",
    )


@pytest.mark.parametrize(
    "current", [changed("metadata", ownerReferences=None), changed("metadata", labels={}), None]
)
def test_an_unwanted_service_is_deleted_only_with_our_owner_uid(
    current: dict[str, Any] | None,
) -> None:
    plan = diff_service(current, None, replace(OWNER, uid="uid-2"))
    assert plan == ServicePlan()


def test_a_service_without_uid_is_updated_by_name_alone() -> None:
    offline = replace(OWNER, uid="")
    current = wanted(offline).manifest()
    current["spec"]["ports"] = []
    (change,) = diff_service(current, wanted(offline), offline).changes
    assert change.after == wanted(offline).manifest()


def test_planning_edits_nothing() -> None:
    current = changed("spec", type="NodePort")
    before = deepcopy(current)
    (change,) = diff_service(current, wanted(), OWNER).changes
    assert change.after is not None
    change.after["metadata"]["labels"]["x"] = "y"
    assert current == before
