"""No Service is led out of the tailnet, whoever wants it: an author, or a device of the list."""

from typing import Any

import pytest
import yaml

from discovery.addresses import NOT_IN_TAILNET
from discovery.clients.kube.connect import connect
from discovery.clients.kube.resources import ENDPOINT_SLICES, NAMESPACES, TAILSCALE_ENDPOINTS
from discovery.simulator import SimulatorState
from tests.api.objects import endpoint, object_of
from tests.cli.commands.conftest import Place, Program
from tests.cluster.conftest import CONFIG, Cluster, Objects, Programs
from tests.cluster.replica import Log, running
from tests.controlplane.access import CRD, ControlPlane
from tests.controlplane.server import OwnControlPlane

ELSEWHERE = {
    "a Service of the cluster": "10.96.0.1",
    "the metadata of a cloud": "169.254.169.254",
    "the node itself": "127.0.0.1",
    "the same in another spelling": "::ffff:127.0.0.1",
    "any address": "0.0.0.0",  # noqa: S104 - nobody listens there
    "the internet": "203.0.113.7",
    "beside the range of devices": "100.128.0.1",
    "the resolver of every device": "100.100.100.100",
    "its address in IPv6": "fd7a:115c:a1e0::53",
    "the network behind a subnet router": "fd7a:115c:a1e0:b1a:0:1:a60:1",
}
"""What somebody would reach through a gateway, by its address."""

everywhere = pytest.mark.parametrize("address", ELSEWHERE.values(), ids=ELSEWHERE)
APIS = ["api-1", "api-2", "api-3"]


def addresses(held: Objects) -> set[str]:
    """Return every address that the slices of a namespace lead to."""
    slices = held.values()
    return {a for one in slices for e in one["endpoints"] or () for a in e["addresses"]}


def device(state: SimulatorState, name: str) -> dict[str, Any]:
    """Return a device of the simulated tailnet, to be changed in place."""
    found: dict[str, Any]
    (found,) = [one for one in state.devices if one["name"] == f"{name}.company.ts.net"]
    return found


# At the API server, by the rules of the CRD.


@everywhere
def test_the_api_server_refuses_an_endpoint_outside_the_tailnet(
    control_plane: ControlPlane, namespace: str, address: str
) -> None:
    path = TAILSCALE_ENDPOINTS.path(namespace)
    raw = object_of(endpoints=[endpoint(tailscaleIP=address)])
    answer = control_plane.api.post(path, json=raw)
    assert answer.status_code == 422
    assert NOT_IN_TAILNET in answer.json()["message"]
    assert control_plane.api.get(path).json()["items"] == []


@everywhere
def test_the_api_server_refuses_an_edit_that_leads_out_of_the_tailnet(
    control_plane: ControlPlane, namespace: str, address: str
) -> None:
    path = TAILSCALE_ENDPOINTS.path(namespace)
    control_plane.api.post(path, json=object_of(endpoints=[endpoint()])).raise_for_status()
    answer = control_plane.api.patch(
        f"{path}/api",
        json=[{"op": "replace", "path": "/spec/endpoints/0/tailscaleIP", "value": address}],
        headers={"Content-Type": "application/json-patch+json"},
    )
    assert answer.status_code == 422
    assert NOT_IN_TAILNET in answer.json()["message"]


# Offline, in a pipeline or without a cluster.


@everywhere
async def test_validate_refuses_an_endpoint_outside_the_tailnet(
    place: Place, program: Program, address: str
) -> None:
    path = place.write("api", endpoints=[endpoint(tailscaleIP=address)])
    done = await program("validate", "-f", str(path))
    assert done.code == 1
    assert f"spec.endpoints[0].tailscaleIP: {NOT_IN_TAILNET}" in done.out


@everywhere
async def test_standalone_writes_nothing_for_an_endpoint_outside_the_tailnet(
    place: Place, program: Program, address: str
) -> None:
    place.write("api", endpoints=[endpoint(tailscaleIP=address)])
    place.write("web")
    done = await program("sync", *place.standalone)
    assert done.code != 0
    assert NOT_IN_TAILNET in done.err
    assert not any(address in content.decode() for *_, content in place.files().values())


# In the controller, past the two above.


def without_rules(node: Any) -> Any:
    """Return a schema as an older or edited CRD has it: without any rule in CEL."""
    if isinstance(node, dict):
        rules = "x-kubernetes-validations"
        return {name: without_rules(below) for name, below in node.items() if name != rules}
    return [without_rules(below) for below in node] if isinstance(node, list) else node


async def test_an_endpoint_that_slipped_past_an_older_crd_is_never_published(
    own_control_plane: OwnControlPlane, log: Log
) -> None:
    server = own_control_plane
    server.install_crd(yaml.safe_dump(without_rules(yaml.safe_load(CRD.read_text()))))
    async with connect(server.kubeconfig()) as client:
        await client.create(NAMESPACES, None, {"metadata": {"name": "apart"}})
        own = Cluster(client, "apart")
        for number, address in enumerate(ELSEWHERE.values()):
            await own.create(f"slipped-{number}", endpoints=[endpoint(tailscaleIP=address)])
        await own.create("api")
        async with running(server.kubeconfig(namespace="apart"), "apart"):
            await own.until_endpoints(*APIS)
            for number in range(len(ELSEWHERE)):
                said = await own.until_condition(f"slipped-{number}", "Ready", "False", "Invalid")
                assert NOT_IN_TAILNET in said["message"]
        slices = {one["metadata"]["name"]: one for one in await own.slices()}
        assert addresses(slices) & set(ELSEWHERE.values()) == set()


async def test_a_device_with_an_address_outside_the_tailnet_is_never_published(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    """Whoever answers for the control plane can not lead traffic into the cluster's networks."""
    tags = device(state, "api-1")["tags"]
    state.devices += [
        {
            "nodeId": f"nELSEWHERE{number}CNTRL",
            "name": f"api-else-{number}.company.ts.net",
            "addresses": [address],
            "tags": tags,
            "authorized": True,
        }
        for number, address in enumerate(ELSEWHERE.values())
    ]
    await cluster.create("api")
    await programs.start()
    held = await cluster.until_endpoints(*APIS)
    assert addresses({one["metadata"]["name"]: one for one in held}) == {
        "100.84.12.1",
        "100.84.12.2",
        "100.84.12.3",
    }


async def test_of_a_device_only_the_addresses_of_the_tailnet_are_published(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    device(state, "api-1")["addresses"] = [*ELSEWHERE.values(), "100.84.12.1"]
    await cluster.create("api", discovery={"addressFamilies": ["IPv4", "IPv6"]})
    await programs.start()
    held = await cluster.until(
        ENDPOINT_SLICES, lambda held: len({one["addressType"] for one in held.values()}) == 2
    )
    found = addresses(held)
    assert "100.84.12.1" in found
    assert found & set(ELSEWHERE.values()) == set()


async def test_a_device_whose_address_changes_to_one_outside_never_takes_traffic_along(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api")
    await programs.start()
    await cluster.until_endpoints(*APIS)
    device(state, "api-1")["addresses"] = ["10.96.0.1"]
    held = await cluster.until_endpoints("api-2", "api-3")
    assert addresses({one["metadata"]["name"]: one for one in held}) == {
        "100.84.12.2",
        "100.84.12.3",
    }


async def test_an_address_in_denied_cidrs_is_never_published(
    cluster: Cluster, programs: Programs
) -> None:
    """Neither of a device nor of an author, where pods or nodes live in the tailnet's range."""
    await cluster.create("api")
    await cluster.create("static", endpoints=[endpoint(tailscaleIP="100.84.12.2")])
    await programs.start(config=f"{CONFIG}deniedCIDRs: [100.84.12.2/32]\n")
    await cluster.until_endpoints("api-1", "api-3")
    await cluster.until_condition("static", "Ready", "False")
    held = {one["metadata"]["name"]: one for one in await cluster.slices()}
    assert "100.84.12.2" not in addresses(held)
