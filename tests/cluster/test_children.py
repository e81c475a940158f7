"""Services and slices on a real API server: whose they are, and what becomes of drift."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.errors import ConflictError
from discovery.clients.kube.resources import (
    ENDPOINT_SLICES,
    SERVICES,
    TAILSCALE_ENDPOINTS,
    Resource,
)
from discovery.stores import OutdatedError
from tests.cluster.conftest import Cluster, condition, endpoints
from tests.cluster.test_store import APIS, World

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
TRIGGERED = "endpoints.kubernetes.io/last-change-trigger-time"


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> World:
    return World(cluster, tmp_path)


async def merge(cluster: Cluster, resource: Resource, name: str, patch: dict[str, Any]) -> None:
    """Change an object as somebody else."""
    await cluster.client.request(
        "PATCH",
        resource.path(cluster.namespace, name),
        query={"fieldManager": "somebody-else"},
        body=patch,
        content_type="application/merge-patch+json",
    )


async def only_slice(cluster: Cluster) -> dict[str, Any]:
    (held,) = await cluster.slices()
    return held


def name_of(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"])


async def test_a_slice_whose_managed_by_label_was_removed_gets_it_back(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    before = await only_slice(world.cluster)
    labels = {"metadata": {"labels": {MANAGED_BY: None}}}
    await merge(world.cluster, ENDPOINT_SLICES, name_of(before), labels)
    _, reconciler = await world.open()
    with pytest.raises(OutdatedError):  # it is in no list
        await reconciler.reconcile(world.key("api"), world.now)
    await reconciler.reconcile(world.key("api"), world.now)
    after = await only_slice(world.cluster)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["endpoints"] == before["endpoints"]


# A cluster without IPv6 refuses a selector beside the two families of a headless Service without.
SELECTED = {
    "selector": {"app": "api"},
    "ipFamilyPolicy": "SingleStack",
    "ipFamilies": ["IPv4"],
}


@pytest.mark.parametrize(
    ("resource", "patch"),
    [
        (SERVICES, {"spec": {"ports": [{"name": "http", "port": 1, "protocol": "TCP"}]}}),
        (SERVICES, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}),
        (SERVICES, {"metadata": {"ownerReferences": None}}),
        (ENDPOINT_SLICES, {"ports": [{"name": "http", "port": 1, "protocol": "TCP"}]}),
        (ENDPOINT_SLICES, {"metadata": {"labels": {"kubernetes.io/service-name": "other"}}}),
        (ENDPOINT_SLICES, {"metadata": {"ownerReferences": None}}),
        (ENDPOINT_SLICES, {"endpoints": []}),
    ],
    ids=lambda value: value.plural if isinstance(value, Resource) else next(iter(value)),
)
async def test_what_somebody_else_made_of_our_fields_is_put_back(
    world: World, resource: Resource, patch: dict[str, Any]
) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    (before,), _ = await world.cluster.client.list(resource, world.cluster.namespace)
    await merge(world.cluster, resource, name_of(before), patch)
    await world.turn("api")
    (after,), _ = await world.cluster.client.list(resource, world.cluster.namespace)
    for one in (before, after):
        kept = ("labels", "namespace", "ownerReferences")
        one["metadata"] = {key: one["metadata"][key] for key in kept}
    assert after == before


async def test_labels_and_annotations_that_others_add_stay(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    added = {"metadata": {"labels": {"team": "payments"}, "annotations": {"note": "x"}}}
    await merge(world.cluster, SERVICES, "api", added)
    await merge(world.cluster, ENDPOINT_SLICES, name_of(await only_slice(world.cluster)), added)
    await world.cluster.edit("api", discovery={"ports": [{"name": "http", "port": 9090}]})
    await world.turn("api")
    for child in (await world.cluster.service("api"), await only_slice(world.cluster)):
        assert child["metadata"]["labels"]["team"] == "payments"
        assert child["metadata"]["annotations"]["note"] == "x"


async def test_a_selector_on_our_service_is_said(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    await merge(world.cluster, SERVICES, "api", {"spec": SELECTED})
    await world.turn("api")
    synced = condition(await world.cluster.resource("api"), "EndpointsSynced")
    assert (synced["status"], synced["reason"]) == ("True", "ForeignEndpoints")


async def test_slices_of_a_hand_made_endpoints_object_are_said_and_left_alone(
    world: World,
) -> None:
    """As the mirroring controller makes them: with its own label, and the Service's name."""
    await world.cluster.create("api")
    await world.turn("api")
    labels = {MANAGED_BY: "endpointslicemirroring-controller.k8s.io"}
    mirrored = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "api-mirrored",
            "labels": {**labels, "kubernetes.io/service-name": "api"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.2.3"]}],
        "ports": [],
    }
    made = await world.cluster.client.create(ENDPOINT_SLICES, world.cluster.namespace, mirrored)
    await world.turn("api")
    synced = condition(await world.cluster.resource("api"), "EndpointsSynced")
    assert (synced["status"], synced["reason"]) == ("True", "ForeignEndpoints")
    slices = {name_of(one): one for one in await world.cluster.slices()}
    assert len(slices) == 2
    assert slices["api-mirrored"] == made


async def test_without_a_service_slices_carry_no_name_of_one(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    before = await only_slice(world.cluster)
    await world.cluster.edit("api", service={"enabled": False})
    await world.turn("api")
    after = await only_slice(world.cluster)
    services, _ = await world.cluster.client.list(SERVICES, world.cluster.namespace)
    assert services == []
    assert after["endpoints"] == before["endpoints"]
    gone = set(before["metadata"]["labels"]) - set(after["metadata"]["labels"])
    assert gone == {"kubernetes.io/service-name", "service.kubernetes.io/headless"}


async def test_another_name_of_the_service_makes_it_anew_and_keeps_the_slices(
    world: World,
) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    before = await only_slice(world.cluster)
    await world.cluster.edit("api", service={"name": "backend"})
    await world.turn("api")
    services, _ = await world.cluster.client.list(SERVICES, world.cluster.namespace)
    assert [name_of(one) for one in services] == ["backend"]
    (after,) = await world.cluster.slices("backend")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert endpoints([after]) == APIS


async def test_a_device_whose_tag_names_another_port_is_in_a_slice_of_that_port(
    world: World,
) -> None:
    await world.cluster.create("api")
    tags(world, "api-2", "tag:port-8443")
    await world.turn("api")
    slices = await world.cluster.slices("api")
    assert {one["ports"][0]["port"]: endpoints([one]) for one in slices} == {
        8080: ["api-1", "api-3"],
        8443: ["api-2"],
    }
    assert {one["ports"][0]["name"] for one in slices} == {"http"}
    service = await world.cluster.service("api")
    assert [port["port"] for port in service["spec"]["ports"]] == [8080]


def tags(world: World, name: str, port: str) -> None:
    device = next(d for d in world.body["devices"] if d["name"] == f"{name}.company.ts.net")
    device["tags"] = [tag for tag in device["tags"] if not tag.startswith("tag:port-")] + [port]


async def test_of_two_resources_that_want_one_service_the_second_is_told(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    await world.cluster.create("second", service={"name": "api"})
    before = await world.cluster.service("api")
    await world.turn("second")
    assert await world.cluster.service("api") == before
    conflict = condition(await world.cluster.resource("second"), "ServiceConflict")
    assert conflict["status"] == "True"
    assert len(await world.cluster.slices()) == 1


async def test_the_slices_and_service_of_another_instance_are_left_alone(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    labels = {"metadata": {"labels": {"gateway.tailscale.com/instance": "second"}}}
    await merge(world.cluster, SERVICES, "api", labels)
    before = await world.cluster.service("api")
    await world.turn("api")
    assert await world.cluster.service("api") == before
    assert condition(await world.cluster.resource("api"), "ServiceConflict")["status"] == "True"
    assert await world.cluster.slices("api") == []


async def test_while_somebody_elses_finalizer_holds_a_deleted_resource_its_children_go(
    world: World,
) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    finalizers: dict[str, Any] = {"metadata": {"finalizers": ["example.com/waits"]}}
    await merge(world.cluster, TAILSCALE_ENDPOINTS, "api", finalizers)
    await world.cluster.delete(TAILSCALE_ENDPOINTS, "api")
    await world.turn("api")
    assert set(await world.cluster.versions()) == {"TailscaleEndpoints/api"}
    finalizers["metadata"]["finalizers"] = None
    await merge(world.cluster, TAILSCALE_ENDPOINTS, "api", finalizers)


async def test_children_name_their_owner_exactly(world: World) -> None:
    made = await world.cluster.create("api")
    await world.turn("api")
    for child in (await world.cluster.service("api"), await only_slice(world.cluster)):
        assert child["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "gateway.tailscale.com/v1alpha1",
                "kind": "TailscaleEndpoints",
                "name": "api",
                "uid": made["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


async def test_the_time_of_the_last_change_moves_with_the_endpoints_alone(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    first = (await only_slice(world.cluster))["metadata"]["annotations"][TRIGGERED]
    await world.cluster.edit("api", service={"type": "ClusterIP"})
    await world.turn("api")
    held = await only_slice(world.cluster)
    assert "service.kubernetes.io/headless" not in held["metadata"]["labels"]
    assert held["metadata"]["annotations"][TRIGGERED] == first
    remove(world, "api-3")
    for _ in range(3):
        await world.turn("api")
    assert (await only_slice(world.cluster))["metadata"]["annotations"][TRIGGERED] > first


def remove(world: World, *names: str) -> None:
    gone = {f"{name}.company.ts.net" for name in names}
    world.body["devices"] = [d for d in world.body["devices"] if d["name"] not in gone]


def statics(count: int) -> Sequence[dict[str, Any]]:
    return [
        {
            "name": f"e{number:03}",
            "tailscaleIP": f"100.84.{number // 200}.{number % 200 + 1}",
            "tailscaleFQDN": f"e{number:03}.company.ts.net",
            "port": 80,
            "protocol": "TCP",
        }
        for number in range(count)
    ]


async def test_150_endpoints_are_two_slices_and_one_that_leaves_is_one_write(
    world: World,
) -> None:
    await world.cluster.create("api", endpoints=statics(150))
    await world.turn("api")
    slices = await world.cluster.slices("api")
    assert sorted(len(one["endpoints"]) for one in slices) == [50, 100]
    before = {name_of(one): one["metadata"]["resourceVersion"] for one in slices}
    await world.cluster.edit("api", endpoints=statics(149))
    made = await world.turn("api")
    assert made is not None
    assert [(change.action, change.kind) for change in made.changes] == [
        ("update", "EndpointSlice")
    ]
    after = {
        name_of(one): one["metadata"]["resourceVersion"]
        for one in await world.cluster.slices("api")
    }
    assert sum(before[name] != after[name] for name in before) == 1
    assert before.keys() == after.keys()


async def test_a_slice_that_was_made_anew_meanwhile_is_not_deleted(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    held = await only_slice(world.cluster)
    with pytest.raises(ConflictError):
        await world.cluster.client.delete(
            ENDPOINT_SLICES, world.cluster.namespace, name_of(held), uid="another"
        )
    _, reconciler = await world.open()
    again = {key: held[key] for key in ("apiVersion", "kind", "addressType", "ports")}
    again["metadata"] = {"name": name_of(held), "labels": {"mine": "yes"}}
    again["endpoints"] = []
    await world.cluster.delete(ENDPOINT_SLICES, name_of(held))
    made = await world.cluster.client.create(ENDPOINT_SLICES, world.cluster.namespace, again)
    await world.cluster.delete(TAILSCALE_ENDPOINTS, "api")
    store, reconciler = await world.open()
    assert len(store.slices) == 0
    await reconciler.reconcile(world.key("api"), world.now)
    assert await world.cluster.slices() == [made]
