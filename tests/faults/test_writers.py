"""Processes that carry removals on: scheduled ones, the controller, and one that took over."""

from datetime import UTC, datetime
from typing import Any

import pytest

from discovery.clients.kube.lease_record import micro_time
from discovery.clients.kube.resources import EVENTS, LEASES
from discovery.simulator import SimulatorState
from tests.cluster.conftest import Cluster, Programs, condition, endpoints
from tests.faults.conftest import remove


async def removal(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = (await cluster.resource("api"))["status"].get("removal", {})
    return found


async def test_three_scheduled_syncs_confirm_a_removal(
    cluster: Cluster, programs: Programs, state: SimulatorState, fleet: list[str]
) -> None:
    """Each is a process of its own, a poll interval after the one before it at least."""
    await cluster.create("api")
    await programs.call("sync")
    remove(state, *fleet[:4])
    syncs, confirmations = 0, [0]
    while endpoints(await cluster.slices("api")) == fleet:
        assert syncs < 6  # a list that comes late, on a busy machine, does not count
        code, _, err = await programs.call("sync")
        syncs += 1
        confirmations.append((await removal(cluster)).get("confirmations", 0))
        assert (code, "wait" in err) == (0, confirmations[-1] > 0)
    assert endpoints(await cluster.slices("api")) == fleet[4:]
    assert confirmations[:3] == [0, 1, 2]
    assert syncs >= 3


async def test_a_controller_tells_by_an_event_what_waits_and_lets_it_go_in_the_end(
    cluster: Cluster, programs: Programs, state: SimulatorState, fleet: list[str]
) -> None:
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*fleet)
    remove(state, *fleet[:4])
    found = await cluster.until(
        EVENTS, lambda held: any(one["reason"] == "OverBudget" for one in held.values())
    )
    (event,) = [one for one in found.values() if one["reason"] == "OverBudget"]
    assert (event["type"], event["regarding"]["name"]) == ("Warning", "api")
    assert event["note"].startswith("4 of 12 discovered endpoints wait for removal since ")
    assert f"tailnet-discovery approve {cluster.namespace}/api (plan " in event["note"]
    await cluster.until_endpoints(*fleet[4:])
    await cluster.until_condition("api", "Ready", "True", "EndpointsConfigured")
    assert condition(await cluster.resource("api"), "RemovalBlocked") == {}


async def test_a_sync_that_took_the_lease_from_another_removes_nothing_and_the_next_one_does(
    cluster: Cluster, programs: Programs, state: SimulatorState, fleet: list[str]
) -> None:
    await cluster.create("api")
    await programs.call("sync")
    remove(state, "m-05")
    await leave_a_lease(cluster)
    assert (await programs.call("sync"))[0] == 0
    assert endpoints(await cluster.slices("api")) == fleet
    assert condition(await cluster.resource("api"), "RemovalBlocked")["reason"] == "NewLeader"
    assert (await programs.call("sync"))[0] == 0
    assert endpoints(await cluster.slices("api")) == sorted({*fleet} - {"m-05"})


@pytest.mark.timeout(180)  # a lease lasts 15 seconds
async def test_a_controller_that_took_over_removes_nothing_for_as_long_as_a_lease_lasts(
    cluster: Cluster, programs: Programs, state: SimulatorState, fleet: list[str]
) -> None:
    await cluster.create("api")
    await programs.call("sync")
    remove(state, "m-05")
    await leave_a_lease(cluster)
    await programs.start()
    await cluster.until_condition("api", "RemovalBlocked", "True", "NewLeader")
    waited = datetime.now(UTC)
    await cluster.until_endpoints(*sorted({*fleet} - {"m-05"}), within=60)
    assert (datetime.now(UTC) - waited).total_seconds() > 10


async def leave_a_lease(cluster: Cluster) -> None:
    """Let somebody hold the Lease who does not renew it any more, as after a kill."""
    path = LEASES.path(cluster.namespace, "tailnet-discovery")
    spec = {
        "holderIdentity": "somebody-else",
        "leaseDurationSeconds": 1,
        "renewTime": micro_time(datetime.now(UTC)),
    }
    await cluster.client.request(
        "PATCH", path, body={"spec": spec}, content_type="application/merge-patch+json"
    )
