import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.clients.inventory import InventoryFile
from discovery.plan.observed import Sync
from discovery.plan.passes import Pass
from discovery.plan.policy import GrantRule, TailnetPolicy
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.stores import Children
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, Mode
from tagselectors import TagGrammar

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
API, WEB = Key("default", "api"), Key("default", "web")
POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",), grammar=TagGrammar(["service-type"]))


SELECTED = [{"key": "env", "operator": "In", "values": ["production"]}]


class CountingStore(DirectoryStore):
    """A directory that counts how often children are read."""

    def __init__(self, manifests: list[Path], out: Path) -> None:
        super().__init__(manifests, out)
        self.reads = 0

    async def children(self, key: Key) -> Children:
        self.reads += 1
        return await super().children(key)


class World:
    """A tailnet in a file, manifests, an output folder, and a reconciler over them."""

    def __init__(self, root: Path, mode: Mode = Mode.ENFORCE) -> None:
        self.list = root / "devices.json"
        self.body: dict[str, Any] = json.loads(FLEET.read_text())
        self.manifests = root / "manifests"
        self.manifests.mkdir(exist_ok=True)
        self.out = root / "out"
        self.source = Source(POLICY, InventoryFile(self.list), MINUTE)
        self.store = CountingStore([self.manifests], self.out)
        self.planner = Planner(Sources([self.source]), "default", mode)
        self.reconciler = Reconciler(self.store, self.planner)
        self.now = NOW

    def write(self, name: str, service_type: str, **spec: Any) -> None:
        selectors = [
            *SELECTED,
            {"key": "service-type", "operator": "In", "values": [service_type]},
        ]
        discovery = {"ports": [{"name": "http", "port": 80}]}
        self._write(name, {"tagSelectors": selectors, "discovery": discovery, **spec})

    def write_static(self, name: str) -> None:
        """Write a resource with one static endpoint and nothing else."""
        endpoint = {
            "name": "a",
            "tailscaleIP": "100.84.12.1",
            "tailscaleFQDN": "a.company.ts.net",
            "port": 80,
            "protocol": "TCP",
        }
        self._write(name, {"endpoints": [endpoint]})

    def _write(self, name: str, spec: dict[str, Any]) -> None:
        document = {
            "apiVersion": "gateway.tailscale.com/v1alpha1",
            "kind": "TailscaleEndpoints",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"tailnet": "company.ts.net", **spec},
        }
        (self.manifests / f"{name}.yaml").write_text(yaml.safe_dump(document))

    def device(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            one for one in self.body["devices"] if one["name"] == f"{name}.company.ts.net"
        )
        return found

    async def turn(self, *keys: Key) -> list[Pass | None]:
        """Poll, take edits, and make a pass over each key, a minute later each time."""
        self.list.write_text(json.dumps(self.body))
        self.now += MINUTE
        self.reconciler.define(self.store.refresh())
        await self.source.poll(self.now)
        made = [await self.reconciler.reconcile(key, self.now) for key in keys]
        await self.store.flush()
        return made

    def files(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in self.out.rglob("*/*/*") if p.is_file()}

    def endpoints(self) -> list[str]:
        text = (self.out / "default/api/endpointslices.yaml").read_text()
        return [e["hostname"] for one in yaml.safe_load_all(text) for e in one["endpoints"]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write("api", "web")
    return made


async def test_a_second_pass_over_an_unchanged_world_writes_nothing_and_reads_nothing(
    world: World,
) -> None:
    (first,) = await world.turn(API)
    assert first is not None
    assert [change.action for change in first.changes] == ["create", "create"]
    before, reads = world.files(), world.store.reads
    assert await world.turn(API) == [None]
    assert (world.files(), world.store.reads) == (before, reads)


async def test_a_fresh_process_reads_the_children_and_writes_nothing(
    world: World, tmp_path: Path
) -> None:
    await world.turn(API)
    before = world.files()
    again = World(tmp_path)
    (made,) = await again.turn(API)
    assert made is not None
    assert (made.changes, again.store.reads, again.files()) == ((), 1, before)


async def test_a_change_of_the_world_is_planned_again(world: World) -> None:
    await world.turn(API)
    world.device("web-1")["tags"] = ["tag:env-staging"]
    for _ in range(3):
        (made,) = await world.turn(API)
    assert made is not None
    assert [change.action for change in made.changes] == ["update"]
    assert world.endpoints() == ["web-2"]


async def test_an_edit_is_planned_again(world: World) -> None:
    await world.turn(API)
    world.write("api", "web", service={"type": "ClusterIP"})
    (made,) = await world.turn(API)
    assert made is not None
    assert [(c.action, c.kind) for c in made.changes if c.kind == "Service"] == [
        ("delete", "Service"),
        ("create", "Service"),
    ]
    assert made.resource.metadata.generation == 2


async def test_an_edit_that_selects_the_same_is_acknowledged(world: World) -> None:
    await world.turn(API)
    before = world.files()
    values = [{"key": "service-type", "operator": "In", "values": ["web", "none"]}]
    world.write("api", "web", tagSelectors=[*SELECTED, *values])
    (made,) = await world.turn(API)
    assert made is not None
    assert made.changes == ()
    after = world.files()
    assert yaml.safe_load(after["status.yaml"])["status"]["observedGeneration"] == 2
    assert after["endpointslices.yaml"] == before["endpointslices.yaml"]


async def test_forget_repairs_what_somebody_edited(world: World) -> None:
    await world.turn(API)
    path = world.out / "default/api/endpointslices.yaml"
    whole = path.read_text()
    path.write_text(whole.replace("100.84.12.5", "100.84.12.99"))
    assert await world.turn(API) == [None]
    assert "100.84.12.99" in path.read_text()
    world.reconciler.forget()
    await world.turn(API)
    assert yaml.safe_load(path.read_text())["endpoints"] == yaml.safe_load(whole)["endpoints"]


async def test_one_resource_can_be_forgotten_alone(world: World) -> None:
    world.write("web", "web")
    await world.turn(API, WEB)
    reads = world.store.reads
    world.reconciler.forget(WEB)
    assert [made is None for made in await world.turn(API, WEB)] == [True, False]
    assert world.store.reads == reads + 1


async def test_while_a_device_is_unreadable_children_are_read_each_time(world: World) -> None:
    await world.turn(API)
    reads, before = world.store.reads, world.files()
    world.device("web-1")["addresses"] = "nonsense"
    for _ in range(2):
        (made,) = await world.turn(API)
        assert made is not None
        assert made.changes == ()
        assert {e.name: e.held for e in made.resolution.endpoints} == {
            "web-1": True,
            "web-2": False,
        }
    assert world.store.reads == reads + 2
    assert world.files()["endpointslices.yaml"] == before["endpointslices.yaml"]


async def test_a_resource_that_is_gone_leaves_nothing(world: World) -> None:
    world.write("web", "api")
    await world.turn(API, WEB)
    (world.manifests / "web.yaml").unlink()
    assert await world.turn(WEB) == [None]
    assert not (world.out / "default/web").exists()
    assert (world.out / "default/api/service.yaml").exists()


async def test_only_what_is_ours_is_removed_of_a_resource_that_is_gone(world: World) -> None:
    world.write("web", "api")
    await world.turn(API, WEB)
    path = world.out / "default/web/service.yaml"
    stranger = "{kind: Service, metadata: {name: db, namespace: default}}"
    path.write_text(f"{path.read_text()}---\n{stranger}\n")
    (world.manifests / "web.yaml").unlink()
    await world.turn(WEB)
    assert list(yaml.safe_load_all(path.read_text())) == [yaml.safe_load(stranger)]
    assert [p.name for p in path.parent.iterdir()] == ["service.yaml"]


async def test_another_instances_children_stay(world: World) -> None:
    await world.turn(API)
    other = Planner(Sources([world.source]), "second", Mode.ENFORCE)
    assert other.plan_removal(API, await world.store.children(API)) == ()
    assert len(world.planner.plan_removal(API, await world.store.children(API))) == 2


async def test_mode_observe_of_the_instance_writes_only_the_status(tmp_path: Path) -> None:
    world = World(tmp_path, Mode.OBSERVE)
    world.write("api", "web")
    (made,) = await world.turn(API)
    assert made is not None
    assert (made.writes, len(made.changes)) == (False, 2)
    assert list(world.files()) == ["status.yaml"]
    assert await world.turn(API) == [None]


async def test_without_a_verified_list_only_static_endpoints_are_planned(world: World) -> None:
    world.body = {"devices": []}
    world.write_static("web")
    selecting, fixed = await world.turn(API, WEB)
    assert selecting is not None
    assert fixed is not None
    assert (selecting.observed.sync, selecting.changes) == (Sync.NO_DEVICE_LIST, ())
    assert [e.name for e in fixed.resolution.endpoints] == ["a"]
    assert len(fixed.changes) == 2


async def test_with_grants_static_endpoints_wait_for_the_list_too(world: World) -> None:
    world.source.policy = replace(POLICY, grants=(GrantRule(tags=("tag:env-*",)),))
    world.body = {"devices": []}
    world.write_static("api")
    (made,) = await world.turn(API)
    assert made is not None
    assert made.observed.sync is Sync.NO_DEVICE_LIST


async def test_a_tailnet_that_left_the_configuration_is_an_outage(
    world: World, tmp_path: Path
) -> None:
    await world.turn(API)
    before = world.files()
    again = World(tmp_path)
    again.source.policy = replace(POLICY, tailnet="lab.ts.net", domains=("lab.ts.net",))
    (made,) = await again.turn(API)
    assert made is not None
    assert (made.changes, made.observed.freshness.reason) == ((), "NotConfigured")
    after = again.files()
    assert after["endpointslices.yaml"] == before["endpointslices.yaml"]
    status = yaml.safe_load(after["status.yaml"])["status"]
    assert status["totalEndpoints"] == 2
    assert [entry["name"] for entry in status["endpoints"]] == ["web-1", "web-2"]


async def test_a_condition_in_a_slice_stands(world: World) -> None:
    port = {"name": "http", "port": 80, "healthCheck": {"enabled": True, "type": "TCP"}}
    world.write("api", "web", discovery={"ports": [port]})
    await world.turn(API)
    path = world.out / "default/api/endpointslices.yaml"
    path.write_text(path.read_text().replace("ready: true", "ready: false", 1))
    world.reconciler.forget()
    await world.turn(API)
    (held,) = yaml.safe_load_all(path.read_text())
    assert [e["conditions"]["ready"] for e in held["endpoints"]] == [False, True]


def test_a_tailnet_answers_to_its_name_and_domains_before_one_without_a_name(
    tmp_path: Path,
) -> None:
    reader = InventoryFile(tmp_path / "none.json")
    unnamed, named = (
        Source(policy, reader, MINUTE)
        for policy in (TailnetPolicy(""), TailnetPolicy("a.ts.net", ("a.ts.net", "old.ts.net")))
    )
    sources = Sources([unnamed, named])
    assert sources.of("a.ts.net") is named
    assert sources.of("old.ts.net") is named
    assert sources.of("b.ts.net") is unnamed
    assert Sources([named]).of("b.ts.net") is None
    assert list(sources) == [unnamed, named]
