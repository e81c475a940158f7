"""Electors against a real API server: what it stores, hand-over, cut connections, lost races."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from discovery.clients.errors import AuthError
from discovery.clients.kube.connect import connect
from discovery.clients.kube.lease import Elector, LeadershipLostError, Timing
from discovery.clients.kube.resources import LEASES
from tests.controlplane.faults import Fault, answer_lost, hang, server_error

if TYPE_CHECKING:
    from discovery.clients.kube.client import KubeClient
    from tests.controlplane.access import ControlPlane
    from tests.controlplane.proxy import FaultProxy

SHORT = Timing(duration=2.0, renew_deadline=1.2, retry=0.2)


def elector(client: KubeClient, namespace: str, identity: str, timing: Timing = SHORT) -> Elector:
    return Elector(client, namespace, "leader", identity, timing)


async def spec(client: KubeClient, namespace: str) -> dict[str, Any]:
    lease = await client.get(LEASES, namespace, "leader")
    said: dict[str, Any] = lease["spec"]
    return said


async def test_the_server_stores_what_is_written(cluster: KubeClient, namespace: str) -> None:
    first = elector(cluster, namespace, "first", Timing())
    assert await first.acquire(within=5)
    lease = await cluster.get(LEASES, namespace, "leader")
    assert {one["manager"] for one in lease["metadata"]["managedFields"]} == {"tailnet-discovery"}
    said = lease["spec"]
    assert said["renewTime"] == said["acquireTime"]
    assert (said["holderIdentity"], said["leaseDurationSeconds"]) == ("first", 15)
    assert (said["leaseTransitions"], set(said)) == (
        0,
        {
            "holderIdentity",
            "leaseDurationSeconds",
            "acquireTime",
            "renewTime",
            "leaseTransitions",
        },
    )


async def test_renewals_move_the_time_of_the_renewal_alone(
    cluster: KubeClient, namespace: str
) -> None:
    first = elector(cluster, namespace, "first")
    await first.acquire()
    before = await spec(cluster, namespace)
    async with asyncio.TaskGroup() as tasks:
        holding = tasks.create_task(first.hold())
        while (after := await spec(cluster, namespace)) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        holding.cancel()
    assert after["renewTime"] > before["renewTime"]
    assert after | {"renewTime": before["renewTime"]} == before


async def test_another_takes_over_when_the_renewals_stop_and_not_before(
    cluster: KubeClient, namespace: str
) -> None:
    first, second = elector(cluster, namespace, "first"), elector(cluster, namespace, "second")
    await first.acquire()
    stopped = time.monotonic()
    waiting = asyncio.create_task(second.acquire())
    while not second.valid():
        if first.valid():
            assert not second.valid()
        await asyncio.sleep(0.01)
    await waiting
    assert SHORT.duration <= second.acquired_at - stopped < SHORT.duration + 3
    assert (second.takeover, first.valid()) == (True, False)
    assert (await spec(cluster, namespace))["leaseTransitions"] == 1


async def test_another_takes_over_at_once_after_a_release(
    cluster: KubeClient, namespace: str
) -> None:
    timing = Timing(duration=60.0, renew_deadline=40.0, retry=0.1)
    first = elector(cluster, namespace, "first", timing)
    second = elector(cluster, namespace, "second", timing)
    await first.acquire()
    assert not await second.acquire(within=0.3)
    await first.release()
    assert await second.acquire(within=5)
    assert not second.takeover


async def test_of_many_that_begin_together_one_leads(cluster: KubeClient, namespace: str) -> None:
    crowd = [elector(cluster, namespace, f"number{number}", Timing()) for number in range(8)]
    held = await asyncio.gather(*(one.acquire(within=0) for one in crowd))
    assert sum(held) == 1
    assert [one.valid() for one in crowd] == held
    assert {one.holder for one in crowd} == {crowd[held.index(True)].identity}


async def test_of_many_that_wait_for_a_release_one_leads(
    cluster: KubeClient, namespace: str
) -> None:
    timing = Timing(duration=60.0, renew_deadline=40.0, retry=0.1)
    first = elector(cluster, namespace, "first", timing)
    await first.acquire()
    crowd = [elector(cluster, namespace, f"number{number}", timing) for number in range(8)]
    waiting = [asyncio.create_task(one.acquire(within=1.5)) for one in crowd]
    await first.release()
    held = await asyncio.gather(*waiting)
    assert sum(held) == 1
    assert [one.valid() for one in crowd] == held


@pytest.mark.parametrize("kind", ["hang", "500"])
async def test_a_leader_that_is_cut_off_stops_before_another_begins(
    cluster: KubeClient,
    through: KubeClient,
    fault_proxy: FaultProxy,
    namespace: str,
    kind: str,
) -> None:
    first, second = elector(through, namespace, "first"), elector(cluster, namespace, "second")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    waiting = asyncio.create_task(second.acquire())
    await asyncio.to_thread(fault_proxy.wait_for, 3, "PUT")
    fault_proxy.add(Fault(hang() if kind == "hang" else server_error(), path="/leases", times=None))
    cut = time.monotonic()
    with pytest.raises(LeadershipLostError, match=r"not renewed within 1\.2 s"):
        await holding
    assert time.monotonic() - cut < SHORT.renew_deadline + 0.5
    assert not first.valid()
    assert not second.valid()
    await waiting
    assert second.takeover


async def test_a_half_open_connection_ends_leadership_in_time(
    through: KubeClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    first = elector(through, namespace, "first")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    await asyncio.to_thread(fault_proxy.wait_for, 2, "PUT")
    fault_proxy.freeze()
    cut = time.monotonic()
    with pytest.raises(LeadershipLostError, match=r"no (complete )?answer"):
        await holding
    assert time.monotonic() - cut < SHORT.renew_deadline + 0.5
    fault_proxy.clear()


async def test_connections_that_are_reset_cost_no_leadership(
    through: KubeClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    first = elector(through, namespace, "first")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    for renewals in (1, 3, 5):
        await asyncio.to_thread(fault_proxy.wait_for, renewals, "PUT")
        fault_proxy.cut()
    assert first.valid()
    holding.cancel()


async def test_a_lost_answer_to_the_first_write_is_made_good(
    through: KubeClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(answer_lost(), method="POST", path="/leases"))
    first = elector(through, namespace, "first")
    assert await first.acquire(within=5)
    assert (fault_proxy.count("POST", "/leases"), first.takeover) == (1, False)


async def test_a_write_in_between_loses_one_renewal_and_no_leadership(
    cluster: KubeClient, namespace: str
) -> None:
    first = elector(cluster, namespace, "first")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    for label in map(str, range(20)):
        await cluster.json_patch(
            LEASES,
            namespace,
            "leader",
            [{"op": "add", "path": "/metadata/labels", "value": {"try": label}}],
        )
    assert first.valid()
    holding.cancel()
    await first.release()
    lease = await cluster.get(LEASES, namespace, "leader")
    assert lease["metadata"]["labels"] == {"try": "19"}
    assert not lease["spec"].get("holderIdentity")


async def test_a_deleted_lease_is_made_anew_by_its_leader(
    cluster: KubeClient, namespace: str
) -> None:
    first = elector(cluster, namespace, "first")
    await first.acquire()
    lease = await cluster.get(LEASES, namespace, "leader")
    await cluster.delete(LEASES, namespace, "leader", uid=lease["metadata"]["uid"])
    holding = asyncio.create_task(first.hold())
    async with asyncio.timeout(5):
        while not (await cluster.list(LEASES, namespace))[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert first.valid()
    holding.cancel()


async def test_missing_rights_are_one_clear_line(
    control_plane: ControlPlane, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(control_plane.service_account(namespace, "nobody")) as client:
        first = elector(client, namespace, "first")
        with pytest.raises(AuthError):
            await first.acquire(within=0.5)
        await first.release()
    lines = [one for one in caplog.records if one.levelno >= logging.ERROR]
    (line,) = lines
    assert line.message == "lease not acquired"
    problem = vars(line)["problem"]
    assert 'cannot get resource "leases"' in problem
    assert f'in the namespace "{namespace}"' in problem
