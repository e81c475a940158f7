import asyncio
import signal
import time

import httpx

from discovery.clients.kube.lease import Timing
from discovery.clients.kube.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    SERVICES,
    TAILSCALE_ENDPOINTS,
)
from discovery.simulator import SimulatorState
from tests.cluster.conftest import Cluster, Objects, Programs, condition

APIS = ["api-1", "api-2", "api-3"]


async def test_what_a_resource_selects_appears_and_is_ready(
    cluster: Cluster, programs: Programs
) -> None:
    await cluster.create("api")
    await programs.start()
    (held,) = await cluster.until_endpoints(*APIS)
    assert held["metadata"]["labels"]["kubernetes.io/service-name"] == "api"
    await cluster.until_condition("api", "Ready", "True", "EndpointsConfigured")


async def test_a_resource_that_comes_later_is_served_at_once(
    cluster: Cluster, programs: Programs
) -> None:
    controller = await programs.start()
    await controller.says("lease acquired")
    await cluster.create("api")
    await cluster.until_endpoints(*APIS)


async def test_a_tag_that_is_pulled_takes_its_machine_out_within_one_poll(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*APIS)
    device = next(d for d in state.devices if d["name"].startswith("api-2."))
    device["tags"] = ["tag:env-staging"]
    await cluster.until_endpoints("api-1", "api-3", within=3)


async def test_an_edit_is_followed_without_a_poll(cluster: Cluster, programs: Programs) -> None:
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*APIS)
    await cluster.edit("api", service={"type": "ClusterIP"})
    await cluster.until(
        SERVICES, lambda held: "api" in held and held["api"]["spec"]["clusterIP"] != "None", 1
    )


async def test_drift_of_its_children_is_repaired(cluster: Cluster, programs: Programs) -> None:
    await cluster.create("api")
    await programs.start()
    (held,) = await cluster.until_endpoints(*APIS)
    gone = {held["metadata"]["uid"], (await cluster.service("api"))["metadata"]["uid"]}

    def is_another(held: Objects) -> bool:
        return [one["metadata"]["uid"] in gone for one in held.values()] == [False]

    await cluster.delete(ENDPOINT_SLICES, held["metadata"]["name"])
    await cluster.until(ENDPOINT_SLICES, is_another)
    await cluster.delete(SERVICES, "api")
    await cluster.until(SERVICES, is_another)


async def test_kill_9_changes_nothing_and_a_restart_writes_nothing(
    cluster: Cluster, programs: Programs
) -> None:
    await cluster.create("api")
    controller = await programs.start()
    await cluster.until_endpoints(*APIS)
    await cluster.until_condition("api", "Ready", "True")
    await controller.stop(signal.SIGKILL)
    before = await cluster.versions()
    again = await programs.start()
    await again.says("lease acquired")
    url = (await again.says("listening")).split("metrics=")[1].split()[0]
    async with httpx.AsyncClient() as http, asyncio.timeout(10):
        while True:
            text = (await http.get(f"{url}/metrics")).text
            if 'tailnet_discovery_reconciles_total{result="unchanged"} 1.0' in text:
                break
    assert await cluster.versions() == before


async def test_two_replicas_have_one_writer_which_hands_over_at_sigterm(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api")
    first = await programs.start()
    await first.says("lease acquired")
    second = await programs.start()
    await second.says("waiting for the lease")
    await cluster.until_endpoints(*APIS)
    state.devices[:] = [d for d in state.devices if not d["name"].startswith("api-2.")]
    await cluster.until_endpoints("api-1", "api-3")
    assert not any(" write " in line for line in second.log)
    asked = time.monotonic()
    assert await first.stop() == 0
    await second.says("lease acquired")
    # On a quiet machine it takes under 3 s; a lease that is not released takes its whole duration.
    assert time.monotonic() - asked < Timing().duration / 2
    await cluster.delete(SERVICES, "api")
    await cluster.until(SERVICES, lambda held: "api" in held)


async def test_after_kill_9_another_replica_writes(cluster: Cluster, programs: Programs) -> None:
    await cluster.create("api")
    first = await programs.start()
    await cluster.until_endpoints(*APIS)
    second = await programs.start()
    await second.says("waiting for the lease")
    await first.stop(signal.SIGKILL)
    await cluster.delete(SERVICES, "api")
    await cluster.until(SERVICES, lambda held: "api" in held, within=2 * Timing().duration)


async def test_a_stop_releases_the_lease_and_ends_0(cluster: Cluster, programs: Programs) -> None:
    controller = await programs.start()
    await controller.says("lease acquired")
    assert await controller.stop() == 0
    lease = await cluster.client.get(LEASES, cluster.namespace, "tailnet-discovery")
    assert lease["spec"]["holderIdentity"] == ""


async def test_a_stolen_lease_ends_the_program_with_an_error(
    cluster: Cluster, programs: Programs
) -> None:
    controller = await programs.start()
    await controller.says("lease acquired")
    lease = await cluster.client.get(LEASES, cluster.namespace, "tailnet-discovery")
    lease["spec"]["holderIdentity"] = "somebody-else"
    await cluster.client.replace(LEASES, cluster.namespace, "tailnet-discovery", lease)
    async with asyncio.timeout(20):
        _, err = await controller.process.communicate()
    assert controller.process.returncode == 5
    last = err.decode().splitlines()[-1]
    assert last.startswith("error: leadership lost: ")


async def test_deletion_leaves_nothing(
    cluster: Cluster, programs: Programs, controller_manager: None
) -> None:
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*APIS)
    await cluster.delete(TAILSCALE_ENDPOINTS, "api")
    await cluster.until(SERVICES, lambda held: not held)
    await cluster.until_endpoints()


async def test_a_strangers_service_is_told_by_condition_and_event_and_never_touched(
    cluster: Cluster, programs: Programs
) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api"},
        "spec": {"ports": [{"port": 80}]},
    }
    before = await cluster.client.create(SERVICES, cluster.namespace, body)
    await cluster.create("api")
    await programs.start()
    await cluster.until_condition("api", "ServiceConflict", "True")
    held = await cluster.until(
        EVENTS, lambda held: any(e["reason"] == "ServiceConflict" for e in held.values())
    )
    (event,) = [e for e in held.values() if e["reason"] == "ServiceConflict"]
    assert (event["type"], event["regarding"]["name"]) == ("Warning", "api")
    assert "set spec.service.name to a free name" in event["note"]
    assert await cluster.service("api") == before


async def test_observe_writes_nothing_but_the_status(cluster: Cluster, programs: Programs) -> None:
    await cluster.create("api", mode="Observe")
    await programs.start()
    found = await cluster.until_condition("api", "EndpointsSynced", "False", "ObserveOnly")
    assert found["message"] == (
        "Mode Observe: a pass would create 2 of Service and EndpointSlices."
    )
    assert set(await cluster.versions()) == {"TailscaleEndpoints/api"}


async def test_an_outage_of_the_control_plane_changes_nothing_but_the_status(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*APIS)
    before = await cluster.versions()
    state.faults.add("503")
    await cluster.until_condition("api", "SourceFresh", "False", "Unreachable")
    resource = await cluster.resource("api")
    assert condition(resource, "Ready")["reason"] == "SourceStale"
    after = await cluster.versions()
    assert {name for name in before if before[name] != after[name]} == {"TailscaleEndpoints/api"}
    state.faults.clear()
    await cluster.until_condition("api", "SourceFresh", "True")
