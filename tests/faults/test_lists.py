"""Device lists that lie, lack, or never come: what an endpoint is worth then."""

import asyncio
import json
import time
from datetime import timedelta
from typing import Any

import pytest

from discovery.clients.kube.resources import ENDPOINT_SLICES
from discovery.simulator import SimulatorState
from tests.clients.conftest import ScriptedServer
from tests.cluster.conftest import Cluster, Programs, condition, endpoints
from tests.faults.conftest import MINUTE, Schedule, children, device

APIS = ["api-1", "api-2", "api-3"]
LIST = "GET /api/v2/tailnet/{tailnet}/devices"


def addresses(slices: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The addresses of each endpoint."""
    found: dict[str, list[str]] = {}
    for one in slices:
        for endpoint in one["endpoints"]:
            found.setdefault(endpoint["hostname"], []).extend(endpoint["addresses"])
    return found


@pytest.mark.parametrize("anew", [False, True], ids=["one process", "a process each"])
async def test_api_down_after_cache_expiry(
    schedule: Schedule, state: SimulatorState, anew: bool
) -> None:
    """Through any length of an outage slices and status keep every endpoint."""
    await schedule.cluster.create("api")
    async with schedule.process() as turn:
        await turn()
        before = await children(schedule.cluster)
        state.faults.add("503:60")
        for after in (MINUTE, 3 * MINUTE, timedelta(hours=1), timedelta(days=400)):
            outcome = await (schedule.sync(after) if anew else turn(after))
            assert len(outcome.failures) == 1
            assert await children(schedule.cluster) == before
            resource = await schedule.cluster.resource("api")
            assert [one["name"] for one in resource["status"]["endpoints"]] == APIS
            assert condition(resource, "Ready")["status"] == "True"
        fresh = condition(resource, "SourceFresh")
        assert (fresh["status"], fresh["reason"]) == ("False", "Unreachable")
        version = resource["metadata"]["resourceVersion"]
        await turn(timedelta(days=400))
        resource = await schedule.cluster.resource("api")
        assert anew or resource["metadata"]["resourceVersion"] == version


async def until_polled(state: SimulatorState, times: int) -> None:
    """Wait until the list has been asked for so many times more."""
    wanted = state.calls.count(LIST) + times
    async with asyncio.timeout(20):
        while state.calls.count(LIST) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # nothing tells of it


async def test_empty_devices_200(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    """An empty list is quarantined however often it comes; the data of before writes nothing."""
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*APIS)
    await cluster.until_condition("api", "Ready", "True")
    before = await children(cluster)
    state.faults.add("empty")
    await cluster.until_condition("api", "SourceFresh", "False", "EmptyList")
    await until_polled(state, 4)  # more than the confirmations of any removal
    assert await children(cluster) == before
    resource = await cluster.resource("api")
    assert [one["name"] for one in resource["status"]["endpoints"]] == APIS
    state.faults.clear()
    await cluster.until_condition("api", "SourceFresh", "True")
    assert await children(cluster) == before


async def test_a_slice_that_is_deleted_during_the_quarantine_comes_back_whole(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    """Recovery applies what is wanted, not what changed since."""
    await cluster.create("api")
    await programs.start()
    (held,) = await cluster.until_endpoints(*APIS)
    state.faults.add("empty")
    await cluster.until_condition("api", "SourceFresh", "False", "EmptyList")
    await cluster.delete(ENDPOINT_SLICES, held["metadata"]["name"])
    (again,) = await cluster.until_endpoints(*APIS)
    assert again["metadata"]["uid"] != held["metadata"]["uid"]


async def test_bad_target_isolated(schedule: Schedule, state: SimulatorState) -> None:
    """A device that can not be read, or a resource that can not be, touches no other."""
    await schedule.cluster.create("api")
    await schedule.cluster.create("web", tagSelectors=WEB)
    await schedule.sync()
    before, made = await children(schedule.cluster), await schedule.cluster.slices()
    device(state, "api-1")["addresses"] = "100.84.12.1"
    state.devices += [None, {"nodeId": 7}, {"name": "x", "tags": "tag:env-production"}]
    await schedule.cluster.create("bad", discovery={"ports": TWICE})
    outcome = await schedule.sync()
    assert outcome.failures == []
    assert await children(schedule.cluster) == before
    bad = condition(await schedule.cluster.resource("bad"), "Accepted")
    assert (bad["status"], bad["reason"]) == ("False", "PortConflict")
    for name in ("api", "web"):
        ready = condition(await schedule.cluster.resource(name), "Ready")
        assert (ready["status"], ready["reason"]) == ("True", "EndpointsConfigured")
    device(state, "api-4")["authorized"] = True
    await schedule.sync()
    assert addresses(await schedule.cluster.slices()) == {
        **addresses(made),
        "api-4": ["100.84.12.21"],
    }


WEB = [{"key": "service-type", "operator": "In", "values": ["web"]}]
TWICE = [{"name": "a", "port": 8080}, {"name": "b", "port": 8080}]
PAGE = b"<html><head><title>Too Many Requests</title></head><body>Slow down.</body></html>"


async def test_http_429_html_body(
    schedule: Schedule, server: ScriptedServer, state: SimulatorState
) -> None:
    """A proxy's page with 429 is no list; the next request comes no sooner than it asks for."""
    schedule.environ = {**schedule.environ, "TS_BASE_URL": server.url}
    await schedule.cluster.create("api")
    server.say({"devices": state.devices})
    await schedule.sync()
    before = await schedule.cluster.versions()
    server.say(PAGE, 429, {"Content-Type": "text/html", "Retry-After": "2"})
    server.say({"devices": state.devices})
    began = time.monotonic()
    outcome = await schedule.sync()
    assert (outcome.failures, time.monotonic() - began > 2) == ([], True)
    assert await schedule.cluster.versions() == before
    server.say(PAGE, 429, {"Content-Type": "text/html", "Retry-After": "3600"})
    outcome = await schedule.sync()
    assert "429" in outcome.failures[0][0]
    assert len(server.requests) == 4
    resource = await schedule.cluster.resource("api")
    assert [one["name"] for one in resource["status"]["endpoints"]] == APIS
    assert condition(resource, "SourceFresh")["reason"] == "Unreachable"


async def test_recreated_device_new_ip(schedule: Schedule, state: SimulatorState) -> None:
    """A machine that was made anew has another address under its old name within one poll."""
    await schedule.cluster.create("api")
    async with schedule.process() as turn:
        await turn()
        recreate(state, "api-2", "nNEWCNTRL", "100.84.12.77")
        await turn()
    slices = await schedule.cluster.slices()
    assert addresses(slices) == {
        "api-1": ["100.84.12.1"],
        "api-2": ["100.84.12.77"],
        "api-3": ["100.84.12.3"],
    }
    nodes = json.loads(slices[0]["metadata"]["annotations"]["gateway.tailscale.com/nodes"])
    assert nodes["api-2"] == "nNEWCNTRL"


def recreate(state: SimulatorState, name: str, node_id: str, address: str) -> None:
    """Let a machine register anew."""
    old = device(state, name)
    state.devices.append({**old, "nodeId": node_id, "id": node_id, "addresses": [address]})
    state.devices.remove(old)


async def test_an_address_that_changes_is_replaced_within_one_poll(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*APIS)
    device(state, "api-2")["addresses"] = ["100.84.12.78"]
    await until_polled(state, 2)  # the first of which may have begun before
    await cluster.until(ENDPOINT_SLICES, lambda held: "100.84.12.78" in str(held), within=5)
    assert addresses(await cluster.slices())["api-2"] == ["100.84.12.78"]


async def test_device_becomes_service(schedule: Schedule, state: SimulatorState) -> None:
    """A Tailscale Service takes the name of a machine, which is gone: no slice keeps its address.

    Upstream's egress went on forwarding to it, since it looked for a machine of that name only.
    """
    await schedule.cluster.create("api")
    await schedule.sync()
    old = device(state, "api-2")
    state.devices.remove(old)
    state.put_service("svc:api-2", {"name": "svc:api-2", "ports": ["tcp:8080"]})
    (address, *_) = state.services.listed()[0]["addrs"]
    service = {
        "name": "api-2",
        "tailscaleIP": address,
        "tailscaleFQDN": "api-2.company.ts.net",
        "port": 8080,
        "protocol": "HTTP",
    }
    await schedule.cluster.edit("api", endpoints=[service])
    await schedule.sync()
    assert addresses(await schedule.cluster.slices()) == {
        "api-1": ["100.84.12.1"],
        "api-2": [address],
        "api-3": ["100.84.12.3"],
    }


async def test_a_machine_that_became_a_service_leaves_though_nobody_edits(
    schedule: Schedule, state: SimulatorState
) -> None:
    await schedule.cluster.create("api")
    await schedule.sync()
    state.devices.remove(device(state, "api-2"))
    state.put_service("svc:api-2", {"name": "svc:api-2", "ports": ["tcp:8080"]})
    await schedule.sync()
    assert endpoints(await schedule.cluster.slices()) == ["api-1", "api-3"]
