"""The rules of removal against an API server and a tailnet: what goes, what waits, and how long."""

from datetime import timedelta
from typing import Any

import pytest

from discovery.clients.kube.resources import TAILSCALE_ENDPOINTS
from discovery.simulator import SimulatorState
from tests.cluster.conftest import Cluster, condition, endpoints
from tests.cluster.replica import Log
from tests.faults.conftest import MINUTE, Schedule, children, device, machine, remove

SECOND = timedelta(seconds=1)


async def blocked(cluster: Cluster) -> tuple[str, str]:
    """Return the reason and the message of what waits in the resource; empty where nothing does."""
    found = condition(await cluster.resource("api"), "RemovalBlocked")
    assert found.get("status", "True") == "True"
    return found.get("reason", ""), found.get("message", "")


async def removal(cluster: Cluster) -> dict[str, Any]:
    """Return the memory of what waits."""
    found: dict[str, Any] = (await cluster.resource("api"))["status"].get("removal", {})
    return found


async def held(cluster: Cluster) -> list[str]:
    return endpoints(await cluster.slices("api"))


async def test_partial_devices_200(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    """Half the list is missing, and whoever is asked denies it: the budget blocks it."""
    await schedule.cluster.create("api")
    await schedule.sync()
    before = await children(schedule.cluster)
    state.faults.add("half@device-list", "404@device")
    for _ in range(2):
        assert (await schedule.sync()).failures == []
        reason, message = await blocked(schedule.cluster)
        assert reason == "OverBudget"
        assert f"(plan {(await removal(schedule.cluster))['plan']})" in message
        assert await children(schedule.cluster) == before
    state.faults.clear()
    await schedule.sync()
    assert await children(schedule.cluster) == before
    assert await blocked(schedule.cluster) == ("", "")
    assert await removal(schedule.cluster) == {}


async def test_half_a_list_is_disproved_by_the_devices_that_it_lacks(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    before = await children(schedule.cluster)
    state.faults.add("half")
    async with schedule.process() as turn:
        for _ in range(3):
            await turn()
            await schedule.sync()
            fresh = condition(await schedule.cluster.resource("api"), "SourceFresh")
            assert (fresh["status"], fresh["reason"]) == ("False", "ListIncomplete")
            assert (await blocked(schedule.cluster))[0] == "ListIncomplete"
            assert await children(schedule.cluster) == before
        state.faults.clear()
        await turn()
    assert condition(await schedule.cluster.resource("api"), "SourceFresh")["status"] == "True"
    assert await blocked(schedule.cluster) == ("", "")
    assert await children(schedule.cluster) == before


async def test_a_scale_down_within_the_budget_goes_in_the_same_poll(
    schedule: Schedule, state: SimulatorState, fleet: list[str], log: Log
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    remove(state, "m-02", "m-07", "m-12")
    await schedule.sync()
    assert await held(schedule.cluster) == sorted({*fleet} - {"m-02", "m-07", "m-12"})
    assert await blocked(schedule.cluster) == ("", "")
    assert schedule.told[-1][1].note.startswith("Endpoints: 3 removed: m-02, m-07, m-12 (")
    assert len(log.having("endpoint removed")) == 3


async def test_one_over_the_budget_waits_says_so_and_goes_after_three_lists(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    remove(state, *fleet[:4])
    for number in (1, 2):
        await schedule.sync()
        assert await held(schedule.cluster) == fleet
        memory = await removal(schedule.cluster)
        assert memory["confirmations"] == number
        assert (memory["names"], memory["total"]) == (fleet[:4], 4)
        assert memory["since"] == "2026-11-25T12:02:00Z"
        reason, message = await blocked(schedule.cluster)
        assert reason == "OverBudget"
        start = "4 of 12 discovered endpoints wait for removal since 2026-11-25T12:02:00Z: m-01, "
        assert message.startswith(start)
        assert f"(plan {memory['plan']})" in message
    told = [said for _, said in schedule.told if said.reason == "OverBudget"]
    assert [(said.is_warning, said.note) for said in told] == [(True, message)]
    await schedule.sync()
    assert await held(schedule.cluster) == fleet[4:]
    assert await blocked(schedule.cluster) == ("", "")


async def test_a_restart_neither_forgets_a_removal_nor_hastens_it(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    async with schedule.process() as turn:
        await turn()
        remove(state, *fleet[:4])
        await turn()
    for after, confirmations in ((SECOND, 1), (9 * SECOND, 1), (50 * SECOND, 2), (SECOND, 2)):
        await schedule.sync(after)
        assert await held(schedule.cluster) == fleet
        assert (await removal(schedule.cluster))["confirmations"] == confirmations
    await schedule.sync(58 * SECOND)  # the third, a second too soon after the first
    assert await held(schedule.cluster) == fleet
    await schedule.sync(49 * SECOND)
    assert await held(schedule.cluster) == fleet[4:]


async def test_a_device_that_comes_back_begins_anew(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    everything = list(state.devices)
    remove(state, *fleet[:4])
    await schedule.sync()
    await schedule.sync()
    state.devices = everything
    await schedule.sync()
    assert await blocked(schedule.cluster) == ("", "")
    remove(state, *fleet[:4])
    await schedule.sync()
    await schedule.sync()
    assert await held(schedule.cluster) == fleet


async def test_an_approval_of_this_plan_releases_at_once_and_of_another_never(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    remove(state, *fleet[:8])
    await schedule.sync()
    plan = (await removal(schedule.cluster))["plan"]
    await approve(schedule.cluster, "0" * 12)
    await schedule.sync(SECOND)
    assert await held(schedule.cluster) == fleet
    await approve(schedule.cluster, plan)
    await schedule.sync(SECOND)
    assert await held(schedule.cluster) == fleet[8:]


async def approve(cluster: Cluster, plan: str) -> None:
    await cluster.client.request(
        "PATCH",
        TAILSCALE_ENDPOINTS.path(cluster.namespace, "api"),
        body={"metadata": {"annotations": {"gateway.tailscale.com/approve-removal": plan}}},
        content_type="application/merge-patch+json",
    )


@pytest.mark.parametrize("anew", [False, True], ids=["one process", "a process each"])
async def test_nothing_is_removed_during_an_outage_however_long(
    schedule: Schedule, state: SimulatorState, fleet: list[str], anew: bool
) -> None:
    """What was counted before stands; what goes within the outage is seen after it."""
    await schedule.cluster.create("api")
    async with schedule.process() as turn:
        await turn()
        remove(state, *fleet[:4])
        await turn()
        before = await children(schedule.cluster)
        remove(state, "m-12")
        state.faults.add("503:60")
        for after in (MINUTE, MINUTE, MINUTE, timedelta(days=7)):
            await (schedule.sync(after) if anew else turn(after))
            assert await children(schedule.cluster) == before
            assert (await removal(schedule.cluster))["confirmations"] == 1
        state.faults.clear()
        await (schedule.sync() if anew else turn())
        assert await held(schedule.cluster) == fleet
        assert (await removal(schedule.cluster))["total"] == 5


async def test_what_was_confirmed_before_an_outage_and_not_done_waits_for_its_end(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    async with schedule.process() as turn:
        await turn()
        await schedule.cluster.edit("api", mode="Observe")
        remove(state, "m-05")
        await turn()
        (waiting,) = (await removal(schedule.cluster))["waiting"]
        assert waiting["confirmed"]
        state.faults.add("503:60")
        await schedule.cluster.edit("api", mode="Enforce")
        await turn()
        assert await held(schedule.cluster) == fleet
        state.faults.clear()
        await turn()
    assert await held(schedule.cluster) == sorted({*fleet} - {"m-05"})


async def test_an_api_that_recovers_with_the_same_devices_writes_nothing(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    before = await children(schedule.cluster)
    for fault in ("503:60", "empty", "half", "401", "untagged", "foreign", "body:null"):
        state.faults.replace([fault])
        await schedule.sync()
    state.faults.clear()
    await schedule.sync()
    assert await children(schedule.cluster) == before
    resource = await schedule.cluster.resource("api")
    assert condition(resource, "Ready")["reason"] == "EndpointsConfigured"
    assert condition(resource, "SourceFresh")["status"] == "True"


async def test_an_endpoint_whose_address_is_anothers_by_now_goes_at_once(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    address = device(state, "m-01")["addresses"]
    remove(state, *fleet[:5])
    state.devices.append({**machine(77), "addresses": address, "tags": []})
    await schedule.sync()
    assert await held(schedule.cluster) == fleet[1:]


async def test_the_last_endpoint_waits_although_one_is_within_every_budget(
    schedule: Schedule, state: SimulatorState, fleet: list[str]
) -> None:
    remove(state, *fleet[1:])
    state.devices.append({**machine(50), "tags": ["tag:env-staging"]})
    await schedule.cluster.create("api")
    await schedule.sync()
    assert await held(schedule.cluster) == ["m-01"]
    remove(state, "m-01")
    await schedule.sync()
    assert await held(schedule.cluster) == ["m-01"]
    assert (await blocked(schedule.cluster))[0] == "OverBudget"
