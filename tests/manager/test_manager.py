import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from discovery import manager as manager_module
from discovery.clients.inventory import InventoryFile
from discovery.manager import Manager
from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.stores import Children, StoreError
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, Mode

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"
HOUR = timedelta(hours=1)
MANIFEST = """\
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata: {{name: {name}}}
spec:
  tailnet: company.ts.net
  tagSelectors: [{{key: env, operator: In, values: [production]}}]
  discovery: {{ports: [{{name: http, port: {port}}}]}}
"""


class GatedStore(DirectoryStore):
    """A directory in which a test can hold up or break the passes of single resources."""

    def __init__(self, manifests: Path, out: Path) -> None:
        super().__init__([manifests], out)
        self.gates: dict[Key, asyncio.Event] = {}
        self.errors: dict[Key, Exception] = {}
        self.passes: list[Key] = []
        self.inside: list[Key] = []
        self.most_inside = 0
        self.happened = asyncio.Condition()

    async def children(self, key: Key) -> Children:
        self.passes.append(key)
        self.inside.append(key)
        self.most_inside = max(self.most_inside, self.inside.count(key))
        await self._tell()
        try:
            if key in self.gates:
                await self.gates[key].wait()
            if key in self.errors:
                raise self.errors[key]
            return await super().children(key)
        finally:
            self.inside.remove(key)

    async def flush(self) -> None:
        await super().flush()
        await self._tell()

    async def _tell(self) -> None:
        async with self.happened:
            self.happened.notify_all()

    async def until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.happened:
            await self.happened.wait_for(fact)


class World:
    """A manager over manifests named by letters, and a tailnet in a file."""

    def __init__(self, root: Path, *names: str) -> None:
        self.manifests = root / "manifests"
        self.manifests.mkdir()
        for name in names:
            self.write(name)
        self.list = root / "devices.json"
        self.list.write_text(FLEET.read_text())
        self.out = root / "out"
        policy = TailnetPolicy("company.ts.net", ("company.ts.net",))
        self.source = Source(policy, InventoryFile(self.list), HOUR)
        self.store = GatedStore(self.manifests, self.out)
        sources = Sources([self.source])
        reconciler = Reconciler(self.store, Planner(sources, "default", Mode.ENFORCE))
        self.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
        self.manager = Manager(self.store, sources, reconciler, lambda: self.now)

    def write(self, name: str, port: int = 80) -> None:
        (self.manifests / f"{name}.yaml").write_text(MANIFEST.format(name=name, port=port))

    def has(self, name: str) -> bool:
        return (self.out / "default" / name / "status.yaml").exists()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.manager.run(stop))
        yield task
        stop.set()
        await task


def key(name: str) -> Key:
    return Key("default", name)


def fields(records: list[logging.LogRecord], message: str) -> list[Mapping[str, Any]]:
    return [vars(record) for record in records if record.message == message]


async def test_jobs_are_few_have_stable_ids_and_never_overlap(tmp_path: Path) -> None:
    world = World(tmp_path, *(f"r{number}" for number in range(20)))
    second = Source(TailnetPolicy("lab.ts.net"), InventoryFile(world.list), HOUR)
    sources = Sources([world.source, second])
    reconciler = Reconciler(world.store, Planner(sources, "default", Mode.ENFORCE))
    world.store.refresh()
    scheduler = Manager(world.store, sources, reconciler)._schedule()
    scheduler.start(paused=True)
    jobs = {job.id: job for job in scheduler.get_jobs()}
    scheduler.shutdown(wait=False)
    assert sorted(jobs) == ["edits", "poll/company.ts.net", "poll/lab.ts.net", "resync"]
    for job in jobs.values():
        assert (job.max_instances, job.coalesce, job.misfire_grace_time) == (1, True, None)
    assert {name: job.trigger.interval.total_seconds() for name, job in jobs.items()} == {
        "edits": 2,
        "poll/company.ts.net": 3600,
        "poll/lab.ts.net": 3600,
        "resync": 600,
    }
    assert jobs["poll/lab.ts.net"].trigger.jitter == 360


async def test_the_first_poll_makes_a_pass_over_every_resource(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    async with world.running():
        await world.store.until(lambda: len(world.store.passes) == 2)
    assert world.has("a")
    assert world.has("b")


async def test_a_poll_without_news_makes_no_pass(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    async with world.running():
        await world.store.until(lambda: world.has("a"))
        await world.manager.poll(world.source)
        assert not world.manager._pending
    assert world.store.passes == [key("a")]


async def test_never_two_passes_on_one_key(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    gate = world.store.gates[key("a")] = asyncio.Event()
    async with world.running():
        await world.store.until(lambda: key("a") in world.store.inside and world.has("b"))
        for name in ("a", "b"):
            world.write(name, port=81)
        world.manager.look_for_edits()
        await world.store.until(lambda: world.store.passes.count(key("b")) == 2)
        assert world.store.passes.count(key("a")) == 1
        gate.set()
        await world.store.until(lambda: world.store.passes.count(key("a")) == 2)
    assert world.store.most_inside == 1


@pytest.mark.parametrize("error", [StoreError("the file is broken"), ZeroDivisionError("oops")])
async def test_a_pass_that_fails_is_tried_again_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    monkeypatch.setattr(manager_module, "FIRST_RETRY", timedelta(milliseconds=20))
    world = World(tmp_path, "a", "b")
    world.store.errors[key("a")] = error
    async with world.running() as task:
        await world.store.until(lambda: world.store.passes.count(key("a")) == 3)
        assert world.has("b")
        assert not task.done()
        del world.store.errors[key("a")]
        await world.store.until(lambda: world.store.passes.count(key("a")) == 4)
    assert world.has("a")
    assert world.store.passes.count(key("b")) == 1
    failed = fields(caplog.records, "pass failed")
    assert [one["retry"] for one in failed] == ["0.02s", "0.04s", "0.08s"]
    assert {one["problem"] for one in failed} == {str(error)}
    told = fields(caplog.records, "defect in a pass")
    assert len(told) == (0 if isinstance(error, StoreError) else 3)


async def test_the_wait_before_another_try_has_an_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, "a")
    world.manager._failures[key("a")] = 40
    world.manager._retry_later(key("a"), StoreError("x"))
    assert [one["retry"] for one in fields(caplog.records, "pass failed")] == ["300s"]


async def test_a_pass_without_an_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(manager_module, "PASS_DEADLINE", timedelta(milliseconds=50))
    monkeypatch.setattr(manager_module, "FIRST_RETRY", timedelta(milliseconds=10))
    world = World(tmp_path, "a", "b")
    world.store.gates[key("a")] = asyncio.Event()
    async with world.running():
        await world.store.until(lambda: world.store.passes.count(key("a")) == 2)
        world.store.gates[key("a")].set()
        await world.store.until(lambda: world.has("b") and not world.store.inside)
    problem = fields(caplog.records, "pass failed")[0]["problem"]
    assert problem == "no end within 0.05 s"


async def test_a_stop_lets_a_pass_in_flight_end(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    gate = world.store.gates[key("a")] = asyncio.Event()
    stop = asyncio.Event()
    task = asyncio.create_task(world.manager.run(stop))
    await world.store.until(lambda: bool(world.store.inside))
    stop.set()
    asyncio.get_running_loop().call_later(0.05, gate.set)
    await task
    assert world.has("a")


async def test_a_stop_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(manager_module, "STOP_WITHIN", timedelta(milliseconds=50))
    world = World(tmp_path, "a", "b")
    world.store.gates[key("a")] = asyncio.Event()
    async with world.running():
        await world.store.until(lambda: key("a") in world.store.inside and world.has("b"))
    assert [one["resources"] for one in fields(caplog.records, "passes cut short")] == [
        ["default/a"]
    ]
    assert not world.has("a")


async def test_resync_repairs_what_somebody_edited(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    async with world.running():
        await world.store.until(lambda: bool(world.store.passes) and not world.store.inside)
        path = world.out / "default/a/service.yaml"
        whole = path.read_text()
        path.write_text(whole.replace("port: 80", "port: 81"))
        await world.manager.resync()
        await world.store.until(lambda: len(world.store.passes) == 2)
    assert path.read_text() == whole


async def test_edits_are_taken_and_name_their_keys(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    world.store.refresh()
    world.write("b")
    (world.manifests / "a.yaml").unlink()
    assert world.manager.look_for_edits() == {key("a"), key("b")}
    assert world.manager.look_for_edits() == set()


async def pending(manager: Manager, *names: str) -> None:
    """Wait until exactly these resources are marked, and unmark them."""
    async with asyncio.timeout(10):
        while manager._pending != set(map(key, names)):
            manager._wake.clear()
            await manager._wake.wait()
    manager._pending.clear()


async def test_news_of_freshness_reach_every_resource_and_no_news_none(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    world.source.interval = timedelta(milliseconds=200)
    world.store.refresh()
    await world.manager.poll(world.source)
    await pending(world.manager, "a", "b")
    world.list.write_text(json.dumps({"devices": []}))
    await world.manager.poll(world.source)
    await pending(world.manager, "a", "b")
    await world.manager.poll(world.source)
    assert world.manager._pending == set()
    world.list.write_text(FLEET.read_text())
    await world.manager.poll(world.source)
    await pending(world.manager, "a", "b")


async def test_news_of_freshness_are_spread_over_an_interval_but_not_the_first(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, "a", "b")
    world.store.refresh()
    await world.manager.poll(world.source)
    assert world.manager._pending == {key("a"), key("b")}
    world.manager._pending.clear()
    world.list.write_text(json.dumps({"devices": []}))
    await world.manager.poll(world.source)
    await pending(world.manager, "a")


async def test_a_nudge_takes_edits_that_come_together_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    async with world.running():
        await world.store.until(lambda: world.has("a"))
        world.write("a", port=81)
        world.manager.nudge()
        world.write("b")
        world.manager.nudge()
        await world.store.until(lambda: world.has("b"))
    assert world.store.passes == [key("a"), key("a"), key("b")]


async def test_a_resource_of_no_configured_tailnet_is_told_so_without_a_poll(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, "a")
    text = (world.manifests / "a.yaml").read_text()
    (world.manifests / "b.yaml").write_text(
        text.replace("company.ts.net", "other.ts.net").replace("name: a", "name: b")
    )
    world.list.unlink()
    async with world.running():
        await world.store.until(lambda: world.has("b"))
    assert "NotConfigured" in (world.out / "default/b/status.yaml").read_text()


async def test_a_refused_write_is_planned_again_from_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "FIRST_RETRY", timedelta(milliseconds=20))
    world = World(tmp_path, "a")
    in_the_way = world.out / "default/a/service.yaml.tailnet-discovery-new"
    in_the_way.mkdir(parents=True)
    async with world.running():
        await world.store.until(lambda: len(world.store.passes) == 2)
        in_the_way.rmdir()
        await world.store.until(lambda: len(world.store.passes) == 3 and not world.store.inside)
    assert world.has("a")
    assert (world.out / "default/a/service.yaml").exists()
