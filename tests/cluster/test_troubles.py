"""Troubles of single resources: each says so in its status, keeps what it has, and heals."""

from datetime import timedelta
from pathlib import Path

import pytest

from discovery import manager as manager_module
from discovery.clients.kube.resources import NAMESPACES, SERVICES, TAILSCALE_ENDPOINTS
from discovery.simulator import Simulator
from tests.cluster.conftest import CONFIG, Cluster, Programs, condition
from tests.cluster.replica import Log, running
from tests.controlplane import faults
from tests.controlplane.faults import Fault
from tests.controlplane.proxy import FaultProxy

APIS = ["api-1", "api-2", "api-3"]


async def test_a_refused_write_is_said_in_the_status_until_it_succeeds(
    cluster: Cluster, fault_proxy: FaultProxy, namespace: str, log: Log
) -> None:
    refused = Fault(faults.forbidden(), method="POST", path="/endpointslices", times=None)
    fault_proxy.add(refused)
    await cluster.create("api")
    async with running(fault_proxy.kubeconfig(namespace=namespace), namespace):
        said = await cluster.until_condition("api", "EndpointsSynced", "False", "WriteFailed")
        assert "1 of 2 writes failed, the first of EndpointSlice api-" in said["message"]
        resource = await cluster.resource("api")
        assert condition(resource, "Ready")["status"] == "False"
        assert resource["status"].get("observedGeneration", 0) == 0
        fault_proxy.clear()
        await cluster.until_condition("api", "EndpointsSynced", "True", "Synced")
    assert (await cluster.resource("api"))["status"]["observedGeneration"] == 1


async def test_without_its_service_no_slice_is_written(
    cluster: Cluster, fault_proxy: FaultProxy, namespace: str, log: Log
) -> None:
    fault_proxy.add(Fault(faults.forbidden(), method="POST", path="/services", times=None))
    await cluster.create("api")
    async with running(fault_proxy.kubeconfig(namespace=namespace), namespace):
        await cluster.until_condition("api", "EndpointsSynced", "False", "WriteFailed")
        assert await cluster.slices() == []


async def test_a_name_that_a_stranger_gives_back_is_taken_up(
    cluster: Cluster, programs: Programs, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "CONFLICT_CHECK", timedelta(milliseconds=200))
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api"},
        "spec": {"ports": [{"port": 80}]},
    }
    await cluster.client.create(SERVICES, cluster.namespace, body)
    await cluster.create("api")
    async with running(programs.kubeconfig, cluster.namespace):
        await cluster.until_condition("api", "ServiceConflict", "True")
        await cluster.delete(SERVICES, "api")
        await cluster.until_endpoints(*APIS)
        await cluster.until_condition("api", "Ready", "True")
    assert "ServiceConflict" not in {
        one["type"] for one in (await cluster.resource("api"))["status"]["conditions"]
    }


async def test_a_namespace_that_ends_is_left_in_peace(
    cluster: Cluster, programs: Programs, log: Log, controller_manager: None
) -> None:
    for name in ("api", "again"):
        await cluster.create(name)
    async with running(programs.kubeconfig, cluster.namespace):
        await cluster.until_endpoints(*APIS, *APIS)
        await cluster.client.request("DELETE", NAMESPACES.path(None, cluster.namespace))
        await cluster.until(TAILSCALE_ENDPOINTS, lambda held: not held)
        await cluster.until(SERVICES, lambda held: not held)
        await cluster.until_endpoints()
    assert log.having("ERROR") == [], log.lines


async def test_a_secret_without_the_expected_files_is_said_and_nothing_is_deleted(
    cluster: Cluster, programs: Programs, simulator: Simulator, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    held = simulator.state.credentials
    for variable in ("TS_BASE_URL", "TS_API_KEY", "TS_TAILNET"):
        del programs.environ[variable]
    config = f"{CONFIG}  baseURL: {simulator.url}\n  credentials: {{directory: {secret}}}\n"
    (secret / "client_id").write_text(held.client_id)
    (secret / "client_secret").write_text(held.client_secret)
    await cluster.create("api")
    await programs.start(config=config)
    await cluster.until_endpoints(*APIS)
    before = {one["metadata"]["uid"] for one in await cluster.slices()}
    (secret / "client_secret").unlink()
    said = await cluster.until_condition("api", "SourceFresh", "False", "CredentialsRefused")
    assert f"the credentials folder holds client_id ({secret})" in said["message"]
    assert {one["metadata"]["uid"] for one in await cluster.slices()} == before
    (secret / "client_secret").write_text(held.client_secret)
    await cluster.until_condition("api", "SourceFresh", "True")
