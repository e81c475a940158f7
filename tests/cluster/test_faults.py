"""A controller whose API server fails it in every way: it follows again, and deletes nothing."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from discovery.clients.kube.resources import LEASES, SERVICES
from tests.cluster.conftest import Cluster, Objects
from tests.cluster.replica import Log, running
from tests.controlplane import faults
from tests.controlplane.faults import Act, Fault
from tests.controlplane.proxy import FaultProxy

APIS = ["api-1", "api-2", "api-3"]
WRITES = "POST|PATCH|DELETE"


@pytest.fixture
def through(fault_proxy: FaultProxy, namespace: str) -> Path:
    return fault_proxy.kubeconfig(namespace=namespace)


def has_port(number: int) -> Callable[[Objects], bool]:
    def fact(held: Objects) -> bool:
        return [one["spec"]["ports"][0]["port"] for one in held.values()] == [number]

    return fact


async def uids(cluster: Cluster) -> dict[str, str]:
    """The uid of every child: what was deleted and made again has another."""
    services, _ = await cluster.client.list(SERVICES, cluster.namespace)
    children = [*await cluster.slices(), *services]
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in children}


def with_token_file(kubeconfig: Path, folder: Path) -> tuple[Path, Path, str]:
    """Return a kubeconfig whose token is in a file, that file, and the token."""
    config = yaml.safe_load(kubeconfig.read_bytes())
    user = config["users"][0]["user"]
    valid, token = user.pop("token"), folder / "token"
    user["tokenFile"] = str(token)
    made = folder / "kubeconfig"
    made.write_text(yaml.safe_dump(config))
    return made, token, valid


async def edit_port(cluster: Cluster, name: str, number: int) -> None:
    await cluster.edit(name, discovery={"ports": [{"name": "http", "port": number}]})


async def test_a_list_that_fails_is_said_by_readyz_and_one_line_and_tried_again(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log
) -> None:
    await cluster.create("api")
    fault = Fault(faults.bad_gateway(), path="/endpointslices", watch=False, times=2)
    fault_proxy.add(fault)
    async with running(through, cluster.namespace) as (replica, _):
        assert "an HTML page" in await log.says("cluster not followed", "endpointslices")
        await asyncio.to_thread(fault_proxy.wait_for, 2, "GET", "/endpointslices")
        said = replica.controller.ready() or ""
        assert said.startswith("endpointslices not listed yet: an HTML page (GET ")
        assert replica.controller.alive() is None
        await cluster.until_endpoints(*APIS)
        assert replica.controller.ready() is None
    assert fault.hits == 2
    assert len(log.having("cluster not followed", "endpointslices")) == 1


@pytest.mark.parametrize(
    "act",
    [faults.watch_ends(), faults.watch_expired(), faults.forbidden(), faults.reset()],
    ids=["ends at once", "410", "403", "reset"],
)
async def test_watches_that_fail_write_nothing_and_lose_no_edit(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log, act: Act
) -> None:
    await cluster.create("api")
    async with running(through, cluster.namespace):
        await cluster.until_endpoints(*APIS)
        await cluster.until_condition("api", "Ready", "True")
        before = await cluster.versions()
        fault = Fault(act, path="watch=true", times=6)
        fault_proxy.add(fault)
        fault_proxy.cut()
        await asyncio.to_thread(fault_proxy.wait_for, 3 + 6, "GET", "watch=true")
        assert await cluster.versions() == before
        await edit_port(cluster, "api", 9090)
        await cluster.until(SERVICES, has_port(9090))


async def test_where_only_the_watch_is_refused_lists_go_on_and_one_line_says_so(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log
) -> None:
    fault_proxy.add(Fault(faults.forbidden(), path="/tailscaleendpoints", watch=True, times=None))
    async with running(through, cluster.namespace):
        await log.says("cluster not followed", "tailscaleendpoints", "forbidden")
        await cluster.create("api")
        await cluster.until_endpoints(*APIS)
    assert len(log.having("cluster not followed", "tailscaleendpoints")) == 1


async def test_a_watch_that_falls_silent_is_opened_anew(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path
) -> None:
    await cluster.create("api")
    fault_proxy.add(Fault(faults.hang(0), path="/tailscaleendpoints", watch=True, times=1))
    async with running(through, cluster.namespace, quiet=2):
        await cluster.until_endpoints(*APIS)
        await edit_port(cluster, "api", 9090)
        await cluster.until(SERVICES, has_port(9090))


async def test_writes_whose_connection_breaks_are_written_in_the_end(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log
) -> None:
    await cluster.create("api")
    fault_proxy.add(
        Fault(faults.reset(), WRITES, "/services"),
        Fault(faults.reset(), WRITES, "/endpointslices", times=2),
    )
    async with running(through, cluster.namespace):
        await cluster.until_endpoints(*APIS)
        await cluster.until_condition("api", "Ready", "True")
    line = log.having("pass failed", "resource=" + cluster.namespace + "/api")[0]
    assert "1 of 2 writes failed, the first of Service api: " in line


@pytest.mark.parametrize("path", ["/services", "/endpointslices", "/status"])
async def test_an_answer_that_is_lost_leads_to_no_second_object(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log, path: str
) -> None:
    """What was made and not acknowledged is found by the next pass, which takes it for its own."""
    await cluster.create("api")
    fault = Fault(faults.answer_lost(), "POST|PATCH", path)
    fault_proxy.add(fault)
    async with running(through, cluster.namespace) as (replica, _):
        await log.says("pass failed", "api")
        await cluster.until_condition("api", "Ready", "True")
        await cluster.until_endpoints(*APIS)
        before = await cluster.versions()
        await replica.manager.resync()
        await log.says("pass failed", "api")
    assert fault.hits == 1
    assert len(await cluster.slices()) == 1
    assert await cluster.versions() == before
    assert not log.having("write", "delete")
    children = [await cluster.service("api"), *await cluster.slices()]
    entries = [entry for one in children for entry in one["metadata"]["managedFields"]]
    assert {entry["operation"] for entry in entries} == {"Apply"}


async def test_too_many_requests_are_waited_for_as_long_as_the_server_asks(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log
) -> None:
    await cluster.create("api")
    async with running(through, cluster.namespace):
        await cluster.until_endpoints(*APIS)
        await cluster.until_condition("api", "Ready", "True")
        fault_proxy.add(Fault(faults.too_many_requests(4), "PATCH", "/services/"))
        await edit_port(cluster, "api", 9090)
        await log.says("pass failed", "Too many requests", "retry=4s")
        refused = time.monotonic()
        await cluster.until(SERVICES, has_port(9090))
        assert time.monotonic() - refused > 3


async def test_a_status_that_is_too_large_is_tried_ever_more_rarely_and_the_children_are_there(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log
) -> None:
    await cluster.create("api")
    await cluster.create("web")
    fault_proxy.add(Fault(faults.too_large(), "PATCH", "/api/status", times=None))
    async with running(through, cluster.namespace):
        await log.says("pass failed", "api", faults.TOO_LARGE, "retry=4s")
        await cluster.until_condition("web", "Ready", "True")
        assert len(await cluster.slices("api")) == 1
    assert fault_proxy.count("PATCH", "/api/status") == 3
    assert log.having("pass failed", "web") == []


async def test_a_stop_does_not_wait_for_a_write_that_hangs(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log
) -> None:
    await cluster.create("api")
    fault_proxy.add(Fault(faults.hang(), "POST", "/endpointslices", times=None))
    async with running(through, cluster.namespace) as (replica, task):
        await asyncio.to_thread(fault_proxy.wait_for, 1, "POST", "/endpointslices")
        asked = time.monotonic()
        replica.stop.set()
        await task
        assert time.monotonic() - asked < 5
    lease = await cluster.client.get(LEASES, cluster.namespace, "tailnet-discovery")
    assert lease["spec"]["holderIdentity"] == ""
    assert log.having("passes cut short")


async def test_a_token_that_is_refused_is_said_and_its_file_is_read_again(
    cluster: Cluster, through: Path, tmp_path: Path, log: Log
) -> None:
    await cluster.create("api")
    kubeconfig, token, valid = with_token_file(through, tmp_path)
    token.write_text("a-token-that-expired")
    async with running(kubeconfig, cluster.namespace) as (replica, _):
        await log.says("cluster not followed", "tailscaleendpoints", "HTTP 401")
        assert "HTTP 401" in (replica.controller.ready() or "")
        token.write_text(valid)
        await cluster.until_endpoints(*APIS)


async def test_an_outage_of_the_api_server_deletes_nothing_and_what_came_meanwhile_is_served(
    cluster: Cluster, fault_proxy: FaultProxy, through: Path, log: Log
) -> None:
    """An outage that is shorter than the renew deadline: the lease is kept."""
    await cluster.create("api")
    async with running(through, cluster.namespace) as (_, task):
        await cluster.until_endpoints(*APIS)
        await cluster.until_condition("api", "Ready", "True")
        before = await uids(cluster)
        fault_proxy.add(Fault(faults.drop(), times=None))
        fault_proxy.cut()
        await edit_port(cluster, "api", 9090)
        await log.says("lease not renewed")
        fault_proxy.clear()
        await cluster.until(SERVICES, has_port(9090))
        assert not task.done()
        assert await uids(cluster) == before
