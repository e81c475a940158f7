import asyncio
import json
from datetime import timedelta
from pathlib import Path

from discovery.clients.inventory import InventoryFile
from discovery.manager import Manager
from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.v1alpha1 import Mode
from tests.manager.conftest import FLEET, HOUR, World, key


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
