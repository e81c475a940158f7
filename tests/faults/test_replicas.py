"""Replicas that meet, end, begin anew, or lose who they were."""

import asyncio
import signal
from contextlib import aclosing
from typing import Any

from discovery.clients.kube.resources import ENDPOINT_SLICES, LEASES, SERVICES
from discovery.simulator import SimulatorState
from tests.cluster.conftest import Cluster, Programs, endpoints
from tests.cluster.replica import Log, running
from tests.faults.conftest import children, device, remove

APIS = ["api-1", "api-2", "api-3"]
LIST = "GET /api/v2/tailnet/{tailnet}/devices"
UNBELIEVED = {
    "503:60": "Unreachable",
    "empty": "EmptyList",
    "401": "CredentialsRefused",
    "untagged": "TagsMissing",
}
NAMES = [f"api-{number}" for number in range(8)]


async def test_two_replicas_same_time(cluster: Cluster, programs: Programs, log: Log) -> None:
    """One of two that start at once writes; each resource has one Service and one slice."""
    for name in NAMES:
        await cluster.create(name)
    kubeconfig, namespace = programs.kubeconfig, cluster.namespace
    async with (
        running(kubeconfig, namespace) as (one, _),
        running(kubeconfig, namespace) as (two, _),
    ):
        await cluster.until_endpoints(*APIS * len(NAMES))
        for name in NAMES:
            await cluster.until_condition(name, "Ready", "True")
        await log.says("waiting for the lease")
        assert len(log.having("lease acquired")) == 1
        assert sorted([len(one.said) > 0, len(two.said) > 0]) == [False, True]
        assert sorted([one.elector.valid(), two.elector.valid()]) == [False, True]
    writes = [line.partition("object=")[2] for line in log.having("INFO write")]
    assert len(set(writes)) == len(writes) == 2 * len(NAMES)
    services, _ = await cluster.client.list(SERVICES, namespace)
    assert sorted(one["metadata"]["name"] for one in services) == NAMES
    found = [
        one["metadata"]["labels"]["kubernetes.io/service-name"] for one in await cluster.slices()
    ]
    assert sorted(found) == NAMES


async def test_identity_reset(cluster: Cluster, programs: Programs, state: SimulatorState) -> None:
    """Lease, pod and a device are made anew: the children stay what they are, without a gap."""
    await cluster.create("api")
    first = await programs.start()
    await cluster.until_endpoints(*APIS)
    await cluster.until_condition("api", "Ready", "True")
    before = await uids(cluster)
    _, version = await cluster.client.list(ENDPOINT_SLICES, cluster.namespace)
    await first.stop(signal.SIGKILL)
    await cluster.delete(LEASES, "tailnet-discovery")
    device(state, "api-2").update({"nodeId": "nNEWCNTRL", "id": "nNEWCNTRL"})
    await programs.start()
    told = await history(cluster, version, until="nNEWCNTRL")
    assert [endpoints([one]) for one in told] == [APIS] * len(told)
    assert await uids(cluster) == before


async def uids(cluster: Cluster) -> dict[str, str]:
    services, _ = await cluster.client.list(SERVICES, cluster.namespace)
    found = [*await cluster.slices(), *services]
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}


async def history(cluster: Cluster, version: str, until: str) -> list[dict[str, Any]]:
    """Return what became of slices since a resourceVersion, up to the one that says a text."""
    told: list[dict[str, Any]] = []
    events = cluster.client.watch(
        ENDPOINT_SLICES, cluster.namespace, resource_version=version, seconds=60
    )
    async with asyncio.timeout(20), aclosing(events):
        async for event in events:
            if event["type"] != "BOOKMARK":
                told.append(event["object"])
            if until in str(told):
                break
    return told


async def test_restart_under_api_outage(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    """Nothing goes before the first verified list, whatever went meanwhile; then what went does."""
    await cluster.create("api")
    first = await programs.start()
    await cluster.until_endpoints(*APIS)
    await cluster.until_condition("api", "Ready", "True")
    before = await children(cluster)
    await first.stop()
    remove(state, "api-2")
    for fault, cause in UNBELIEVED.items():
        state.faults.replace([fault])
        again = await programs.start()
        await cluster.until_condition("api", "SourceFresh", "False", cause)
        assert await again.stop() == 0
        assert await children(cluster) == before
    state.faults.clear()
    await programs.start()
    await cluster.until_endpoints("api-1", "api-3")
