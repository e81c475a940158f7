"""Removals over scheduled runs: each run is a process of its own, and what waits is in status."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from discovery.simulator import SimulatorState
from tests.cli.commands.conftest import CONFIG, Place, Program

APIS = ["api-1", "api-2", "api-3"]
CONFIRMATIONS = 3


def take(devices: list[Any], *names: str) -> list[Any]:
    """The devices without these."""
    full = {f"{name}.company.ts.net" for name in names}
    return [device for device in devices if device["name"] not in full]


def removal(place: Place) -> dict[str, Any]:
    (document,) = place.read("api", "status.yaml")
    found: dict[str, Any] = document["status"].get("removal", {})
    return found


async def run_until_gone(place: Place, program: Program) -> list[int]:
    """Run again and again until something goes; return the counts that were found on the way."""
    counts: list[int] = []
    first, before = "", place.endpoints("api")
    async with asyncio.timeout(30):
        while True:
            done = await program("sync", *place.standalone)
            assert done.code == 0
            (document,) = place.read("api", "status.yaml")
            if place.endpoints("api") != before:
                assert "wait for removal" not in done.err
                went = datetime.fromisoformat(document["status"]["lastSync"])
                lasted = went - datetime.fromisoformat(first)
                assert lasted >= (CONFIRMATIONS - 1) * timedelta(seconds=1)
                return counts
            assert (
                f"of 3 discovered endpoints wait{'s' * (removal(place)['total'] == 1)}" in done.err
            )
            first = first or removal(place)["since"]
            counts.append(removal(place)["confirmations"])


async def test_a_removal_over_the_budget_takes_as_many_runs_as_lists(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    state.devices = take(state.devices, *APIS)
    counts = await run_until_gone(place, program)
    # The run that removes counts its own list first.
    assert list(dict.fromkeys(counts))[:2] == [1, 2]
    assert counts == sorted(counts)


async def test_a_file_confirms_even_one_removal_by_repetition_alone(
    place: Place, program: Program, state: SimulatorState
) -> None:
    file = place.root / "devices.json"
    file.write_text(json.dumps({"devices": state.devices}))
    of_file = f"  controlPlane: File\n  baseURL: file://{file}\n"
    place.configure(CONFIG + of_file)
    place.write("api")
    await program("sync", *place.standalone)
    file.write_text(json.dumps({"devices": take(state.devices, "api-1")}))
    counts = await run_until_gone(place, program)
    assert list(dict.fromkeys(counts))[:2] == [1, 2]
    assert place.endpoints("api") == ["api-2", "api-3"]


async def test_runs_that_come_too_close_count_once(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.configure(CONFIG.replace("pollInterval: 1s", "pollInterval: 1h"))
    place.write("api")
    await program("sync", *place.standalone)
    state.devices = take(state.devices, *APIS)
    for _ in range(CONFIRMATIONS + 1):
        await program("sync", *place.standalone)
        assert removal(place)["confirmations"] == 1
    assert place.endpoints("api") == APIS


async def test_a_run_that_reads_no_list_neither_counts_nor_forgets(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=APPROVE)
    await program("sync", *place.standalone)
    state.devices = take(state.devices, *APIS)
    await program("sync", *place.standalone)
    before = removal(place)
    state.faults.add("401")
    assert (await program("sync", *place.standalone)).code == 4
    assert (removal(place), place.endpoints("api")) == (before, APIS)


APPROVE = {"ports": [{"name": "http", "port": 8080}], "removal": {"policy": "Approve"}}


@pytest.mark.parametrize("left", [APIS, APIS[:2]], ids=["none goes", "within the budget"])
async def test_a_run_within_the_budget_waits_for_no_other(
    place: Place, program: Program, state: SimulatorState, left: list[str]
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    state.devices = take(state.devices, *(set(APIS) - set(left)))
    done = await program("sync", *place.standalone)
    assert (done.code, place.endpoints("api")) == (0, left)
    assert "wait for removal" not in done.err
