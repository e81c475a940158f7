import json
import re

from discovery.clients.kube.resources import LEASES, SERVICES
from discovery.simulator import SimulatorState
from tests.cluster.conftest import Cluster, Programs, condition, endpoints

APIS = ["api-1", "api-2", "api-3"]


async def test_sync_writes_what_the_controller_would_and_releases_the_lease(
    cluster: Cluster, programs: Programs
) -> None:
    await cluster.create("api")
    code, out, err = await programs.call("sync")
    assert code == 0, err
    assert re.findall(r"api-\d", out) == APIS
    assert err == (
        "1 resource, 3 endpoints; 2 changes of Services and EndpointSlices in the cluster\n"
    )
    assert endpoints(await cluster.slices("api")) == APIS
    resource = await cluster.resource("api")
    assert condition(resource, "Ready")["reason"] == "EndpointsConfigured"
    lease = await cluster.client.get(LEASES, cluster.namespace, "tailnet-discovery")
    assert lease["spec"]["holderIdentity"] == ""


async def test_a_second_sync_writes_nothing(cluster: Cluster, programs: Programs) -> None:
    await cluster.create("api")
    await programs.call("sync")
    before = await cluster.versions()
    code, _, err = await programs.call("sync")
    assert (code, await cluster.versions()) == (0, before)
    assert "; 0 changes of " in err


async def test_sync_beside_a_controller_is_skipped_and_says_who_leads(
    cluster: Cluster, programs: Programs
) -> None:
    controller = await programs.start()
    await controller.says("lease acquired")
    await cluster.create("api")
    await cluster.until_endpoints(*APIS)
    await cluster.delete(SERVICES, "api")
    code, out, err = await programs.call("sync")
    assert (code, out) == (0, "")
    assert re.fullmatch(r"skipped: \S+ holds the Lease\n", err)


async def test_a_tailnet_that_can_not_be_read_changes_no_slice_and_says_so_in_the_status(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api")
    await programs.call("sync")
    before = await cluster.versions()
    state.faults.add("401")
    code, out, err = await programs.call("sync")
    assert (code, out) == (4, "")
    assert err.startswith("error: API token invalid (")
    after = await cluster.versions()
    assert {name for name in before if before[name] != after[name]} == {"TailscaleEndpoints/api"}
    assert condition(await cluster.resource("api"), "SourceFresh")["reason"] == "CredentialsRefused"


async def test_an_api_server_that_is_not_there_is_one_line(programs: Programs) -> None:
    text = programs.kubeconfig.read_text()
    nowhere = programs.folder / "nowhere.kubeconfig"
    nowhere.write_text(re.sub(r"https://127.0.0.1:\d+", "https://127.0.0.1:1", text))
    code, out, err = await programs.call("plan", kubeconfig=nowhere)
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert "127.0.0.1:1" in err


async def test_plan_shows_what_sync_would_do_and_writes_nothing(
    cluster: Cluster, programs: Programs
) -> None:
    await cluster.create("api")
    before = await cluster.versions()
    code, out, err = await programs.call("plan", "-o", "json", "--exit-code")
    assert (code, err) == (1, "")
    document = json.loads(out)
    assert [(c["action"], c["kind"]) for c in document["changes"]] == [
        ("create", "Service"),
        ("create", "EndpointSlice"),
    ]
    assert await cluster.versions() == before
    await programs.call("sync")
    code, out, _ = await programs.call("plan", "--exit-code")
    assert code == 0
    assert out.splitlines()[-1] == "Plan: 0 to create, 0 to update, 0 to delete, 2 unchanged."


async def test_plan_of_a_manifest_compares_it_with_the_cluster(
    cluster: Cluster, programs: Programs
) -> None:
    await cluster.create("api")
    await programs.call("sync")
    resource = await cluster.resource("api")
    edited = {key: resource[key] for key in ("apiVersion", "kind", "spec")}
    edited["metadata"] = {"name": "api", "namespace": cluster.namespace}
    edited["spec"]["discovery"]["addressFamilies"] = ["IPv4", "IPv6"]
    file = programs.folder / "edited.yaml"
    file.write_text(json.dumps(edited))
    code, out, err = await programs.call("plan", "-f", str(file), "-o", "json")
    assert (code, err) == (0, "")
    (change,) = json.loads(out)["changes"]
    assert (change["action"], change["kind"]) == ("create", "EndpointSlice")
    assert change["after"]["addressType"] == "IPv6"


async def test_explain_reads_the_resource_from_the_cluster(
    cluster: Cluster, programs: Programs
) -> None:
    await cluster.create("api")
    code, out, _ = await programs.call("explain", "api", "web-1")
    assert code == 0
    assert f"for {cluster.namespace}/api" in out
    code, out, err = await programs.call("explain", "nothing")
    assert (code, out) == (3, "")
    assert err == (
        "error: there is no resource nothing (the cluster holds "
        f"{cluster.namespace}/api). Name it as NAMESPACE/NAME.\n"
    )
