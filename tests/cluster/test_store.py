import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.errors import NotFoundError
from discovery.clients.inventory import InventoryFile
from discovery.clients.kube.resources import ENDPOINT_SLICES, SERVICES, TAILSCALE_ENDPOINTS
from discovery.plan.owner import FIELD_MANAGER, SLICE_MANAGED_BY
from discovery.plan.passes import Pass
from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources, remember
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.stores import OutdatedError
from discovery.stores.cluster import ClusterStore
from discovery.v1alpha1 import Key, Mode
from tagselectors import TagGrammar
from tests.cluster.conftest import Cluster, condition, endpoints

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",), grammar=TagGrammar(["service-type"]))
APIS = ["api-1", "api-2", "api-3"]


class World:
    """A store over the test's namespace, made anew for each pass as a restart would."""

    def __init__(self, cluster: Cluster, root: Path) -> None:
        self.cluster = cluster
        self.list = root / "devices.json"
        self.body: dict[str, Any] = json.loads(FLEET.read_text())
        self.now = NOW

    def key(self, name: str) -> Key:
        return Key(self.cluster.namespace, name)

    async def open(self) -> tuple[ClusterStore, Reconciler]:
        self.list.write_text(json.dumps(self.body))
        self.now += timedelta(minutes=1)
        namespace = self.cluster.namespace
        store = ClusterStore(self.cluster.client, "default", namespace=namespace)
        await store.load()
        source = Source(POLICY, InventoryFile(self.list), timedelta(minutes=1))
        sources = Sources([source])
        await remember(store, sources)
        await source.poll(self.now)
        reconciler = Reconciler(store, Planner(sources, "default", Mode.ENFORCE))
        reconciler.define(store.keys())
        return store, reconciler

    async def slices_of_ours(self) -> list[dict[str, Any]]:
        """The slices without those that Kubernetes makes for a Service with a selector."""
        labels = "=".join(SLICE_MANAGED_BY)
        namespace = self.cluster.namespace
        return (await self.cluster.client.list(ENDPOINT_SLICES, namespace, labels=labels))[0]

    async def turn(self, name: str) -> Pass | None:
        _, reconciler = await self.open()
        return await reconciler.reconcile(self.key(name), self.now)


@pytest.fixture
def world(cluster: Cluster, tmp_path: Path) -> World:
    return World(cluster, tmp_path)


async def test_service_slices_and_status_appear(world: World) -> None:
    made = await world.cluster.create("api")
    await world.turn("api")
    service = await world.cluster.service("api")
    assert service["spec"]["clusterIP"] == "None"
    (held,) = await world.cluster.slices("api")
    assert endpoints([held]) == APIS
    for child in (service, held):
        (reference,) = child["metadata"]["ownerReferences"]
        assert (reference["uid"], reference["controller"]) == (made["metadata"]["uid"], True)
    resource = await world.cluster.resource("api")
    assert condition(resource, "Ready")["reason"] == "EndpointsConfigured"
    assert resource["status"]["observedGeneration"] == 1


async def managers(cluster: Cluster) -> set[tuple[str, str]]:
    """Who manages fields of the children, and by which operation."""
    children = [await cluster.service("api"), *await cluster.slices()]
    return {
        (entry["manager"], entry["operation"])
        for child in children
        for entry in child["metadata"]["managedFields"]
    }


async def test_children_that_were_made_belong_to_server_side_apply_alone(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    assert await managers(world.cluster) == {(FIELD_MANAGER, "Apply")}


async def test_a_second_pass_after_a_restart_writes_nothing(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    before = await world.cluster.versions()
    made = await world.turn("api")
    assert made is not None
    assert (made.changes, await world.cluster.versions()) == ((), before)


async def test_a_port_that_is_wanted_no_more_leaves_the_service(world: World) -> None:
    ports = [{"name": "http", "port": 8080}, {"name": "admin", "port": 9000}]
    await world.cluster.create("api", discovery={"ports": ports})
    await world.turn("api")
    await world.cluster.edit("api", discovery={"ports": ports[:1]})
    await world.turn("api")
    service = await world.cluster.service("api")
    assert [port["name"] for port in service["spec"]["ports"]] == ["http"]


async def test_what_a_crash_between_post_and_claim_left_is_claimed_by_the_next_pass(
    world: World,
) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    for resource in (SERVICES, ENDPOINT_SLICES):
        (held,), _ = await world.cluster.client.list(resource, world.cluster.namespace)
        operation = {"op": "replace", "path": "/metadata/managedFields/0/operation"}
        await world.cluster.client.json_patch(
            resource,
            world.cluster.namespace,
            held["metadata"]["name"],
            [{**operation, "value": "Update"}],
        )
    await world.turn("api")
    assert await managers(world.cluster) == {(FIELD_MANAGER, "Apply")}


async def test_a_strangers_service_is_left_alone_and_no_slice_carries_its_name(
    world: World,
) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "api"}},
    }
    before = await world.cluster.client.create(SERVICES, world.cluster.namespace, body)
    await world.cluster.create("api")
    await world.turn("api")
    assert await world.cluster.service("api") == before
    assert await world.slices_of_ours() == []
    resource = await world.cluster.resource("api")
    assert condition(resource, "ServiceConflict")["status"] == "True"
    assert condition(resource, "Ready")["reason"] == "ServiceConflict"


async def test_headless_becomes_cluster_ip_by_a_new_service_and_slices_stay(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    first, (held,) = await world.cluster.service("api"), await world.cluster.slices()
    await world.cluster.edit("api", service={"type": "ClusterIP"})
    await world.turn("api")
    second = await world.cluster.service("api")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert second["spec"]["clusterIP"] != "None"
    (after,) = await world.cluster.slices()
    assert after["metadata"]["uid"] == held["metadata"]["uid"]
    assert "service.kubernetes.io/headless" not in after["metadata"]["labels"]


async def test_orphans_of_a_recreated_resource_are_adopted(world: World) -> None:
    await world.cluster.create("api")
    await world.turn("api")
    path = TAILSCALE_ENDPOINTS.path(world.cluster.namespace, "api")
    orphan = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}
    resource = await world.cluster.resource("api")
    await world.cluster.client.request("DELETE", path, body=orphan)
    # Without a controller manager nobody takes the finalizer away; with one it may be gone by now.
    with suppress(NotFoundError):
        await world.cluster.client.request(
            "PATCH",
            path,
            body={"metadata": {"finalizers": None}},
            content_type="application/merge-patch+json",
        )
    made = await world.cluster.create("api")
    assert made["metadata"]["uid"] != resource["metadata"]["uid"]
    before = {one["metadata"]["uid"] for one in await world.cluster.slices()}
    await world.turn("api")
    slices = await world.cluster.slices()
    assert {one["metadata"]["uid"] for one in slices} == before
    assert [one["metadata"]["ownerReferences"][0]["uid"] for one in slices] == [
        made["metadata"]["uid"]
    ]


async def test_a_stale_cache_is_told_as_outdated_and_the_next_pass_heals_it(world: World) -> None:
    await world.cluster.create("api")
    _, reconciler = await world.open()
    await world.turn("api")  # somebody else was faster
    with pytest.raises(OutdatedError, match=r"^1 of 1 writes failed, the first of EndpointSlice "):
        await reconciler.reconcile(world.key("api"), world.now)
    made = await reconciler.reconcile(world.key("api"), world.now)
    assert made is not None
    assert made.changes == ()


async def test_an_edit_just_before_our_report_is_news_though_the_answer_holds_it(
    world: World,
) -> None:
    await world.cluster.create("api")
    store, reconciler = await world.open()
    edited = await world.cluster.edit("api", service={"type": "ClusterIP"})
    await reconciler.reconcile(world.key("api"), world.now)  # of the spec as it was
    assert store.refresh() == set()
    store.resources.upsert(store.resources.project(edited))
    assert store.refresh() == {world.key("api")}
