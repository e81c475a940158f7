"""Passes that fail, hang, or are under way at a stop."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from discovery import manager as manager_module
from discovery.stores import StoreError
from tests.manager.conftest import World, fields, key


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
