"""A controller whose API server goes away, or lacks the CRD: nothing is deleted, and it goes on."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import yaml

from discovery.clients.kube.connect import connect
from discovery.clients.kube.lease import LeadershipLostError, Timing
from discovery.clients.kube.resources import ENDPOINT_SLICES, NAMESPACES, SERVICES
from discovery.metrics import Metrics
from tests.cluster.conftest import Cluster
from tests.cluster.replica import Log, running
from tests.controlplane.access import CRD, CRD_PATH
from tests.controlplane.server import OwnControlPlane

APIS = ["api-1", "api-2", "api-3"]
CRD_NAME = "tailscaleendpoints.gateway.tailscale.com"
PATIENT = Timing(60.0, 50.0, 0.5)
HASTY = Timing(6.0, 4.0, 0.5)


@pytest.fixture
async def own(own_control_plane: OwnControlPlane) -> AsyncIterator[Cluster]:
    """A namespace of an API server of its own."""
    async with connect(own_control_plane.kubeconfig()) as client:
        body = {"metadata": {"name": "apart"}}
        await client.create(NAMESPACES, None, body)
        yield Cluster(client, "apart")


async def children(cluster: Cluster) -> dict[str, str]:
    """The resourceVersion of each child by its uid."""
    services, _ = await cluster.client.list(SERVICES, cluster.namespace)
    found = [one["metadata"] for one in [*await cluster.slices(), *services]]
    return {one["uid"]: one["resourceVersion"] for one in found}


def remove_crd(server: OwnControlPlane) -> None:
    server.api.delete(f"{CRD_PATH}/{CRD_NAME}").raise_for_status()
    while server.api.get(f"{CRD_PATH}/{CRD_NAME}").status_code != 404:
        pass


async def test_a_crd_that_is_missing_at_the_start_is_said_and_awaited(
    own: Cluster, own_control_plane: OwnControlPlane, log: Log
) -> None:
    server = own_control_plane
    await asyncio.to_thread(remove_crd, server)
    async with running(server.kubeconfig(namespace="apart"), "apart") as (replica, task):
        await log.says("cluster not followed", "tailscaleendpoints")
        assert (replica.controller.ready() or "").startswith("tailscaleendpoints not listed yet: ")
        assert replica.controller.alive() is None
        await asyncio.to_thread(server.install_crd)
        await own.create("api")
        await own.until_endpoints(*APIS, within=60)
        assert not task.done()


async def test_a_crd_that_is_deleted_makes_the_controller_delete_nothing(
    own: Cluster, own_control_plane: OwnControlPlane, log: Log
) -> None:
    """Kubernetes deletes the objects with their CRD; what they own is the collector's."""
    server = own_control_plane
    await own.create("api")
    async with running(server.kubeconfig(namespace="apart"), "apart") as (_, task):
        await own.until_endpoints(*APIS)
        await own.until_condition("api", "Ready", "True")
        before = await children(own)
        await asyncio.to_thread(remove_crd, server)
        await log.says("cluster not followed", "tailscaleendpoints")
        assert await children(own) == before
        await asyncio.to_thread(server.install_crd)
        made = await own.create("api")
        await own.until(
            ENDPOINT_SLICES,
            lambda held: (
                {one["metadata"]["ownerReferences"][0]["uid"] for one in held.values()}
                == {made["metadata"]["uid"]}
            ),
            within=60,
        )
        assert (await children(own)).keys() == before.keys()
        assert not task.done()
    assert not log.having("ERROR")


async def test_a_restart_of_the_api_server_loses_nothing(
    own: Cluster, own_control_plane: OwnControlPlane, log: Log
) -> None:
    server = own_control_plane
    await own.create("api")
    kubeconfig = server.kubeconfig(namespace="apart")
    async with running(kubeconfig, "apart", timing=PATIENT) as (_, task):
        await own.until_endpoints(*APIS)
        await own.until_condition("api", "Ready", "True")
        before = await children(own)
        await asyncio.to_thread(server.stop)
        await log.says("cluster not followed", times=3)
        await asyncio.to_thread(server.start)
        assert await children(own) == before
        await own.edit("api", discovery={"ports": [{"name": "http", "port": 9090}]})
        await own.until(
            SERVICES, lambda held: held["api"]["spec"]["ports"][0]["port"] == 9090, within=60
        )
        assert (await children(own)).keys() == before.keys()
        assert not task.done()


async def test_an_outage_beyond_the_renew_deadline_ends_the_leader_and_a_new_start_writes_nothing(
    own: Cluster, own_control_plane: OwnControlPlane, log: Log
) -> None:
    server = own_control_plane
    await own.create("api")
    kubeconfig = server.kubeconfig(namespace="apart")
    async with running(kubeconfig, "apart", timing=HASTY) as (_, task):
        await own.until_endpoints(*APIS)
        await own.until_condition("api", "Ready", "True")
        before = await own.versions()
        await asyncio.to_thread(server.stop)
        with pytest.raises(LeadershipLostError, match=r"^leadership lost: not renewed within 4 s"):
            await asyncio.wait_for(asyncio.shield(task), 30)
    await asyncio.to_thread(server.start)
    async with running(kubeconfig, "apart", timing=HASTY) as (replica, _):
        await log.says("lease acquired", times=2)
        await until_unchanged(replica.metrics)
    assert await own.versions() == before


async def until_unchanged(metrics: Metrics) -> None:
    """Wait for a pass that had nothing to write."""
    async with asyncio.timeout(20):
        while b'reconciles_total{result="unchanged"} 1.0' not in metrics.text():  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # nothing tells of it


def loose_crd() -> str:
    """The CRD as an older version might have been: without one rule on what is in the spec."""
    crd = yaml.safe_load(CRD.read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["x-kubernetes-validations"]
    schema["properties"]["spec"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"tailnet": {"type": "string"}},  # printed and selected by
    }
    return yaml.safe_dump(crd)


async def test_a_resource_that_slipped_past_an_older_crd_is_told_everything_and_keeps_its_children(
    own: Cluster, own_control_plane: OwnControlPlane, log: Log
) -> None:
    server = own_control_plane
    await own.create("api")
    kubeconfig = server.kubeconfig(namespace="apart")
    async with running(kubeconfig, "apart"):
        await own.until_endpoints(*APIS)
        await own.until_condition("api", "Ready", "True")
    before = await children(own)
    await asyncio.to_thread(server.install_crd, loose_crd())
    await own.edit("api", tailnet="", discovery={"ports": [{"name": "http", "port": 99999}]})
    await asyncio.to_thread(server.install_crd)
    await own.create("web")
    async with running(kubeconfig, "apart"):
        said = await own.until_condition("api", "Accepted", "False", "Invalid")
        await own.until_condition("web", "Accepted", "True")
    assert "spec.tailnet" in said["message"]
    assert "spec.discovery.ports[0].port" in said["message"]
    assert before.items() <= (await children(own)).items()
    assert not log.having("pass failed")
