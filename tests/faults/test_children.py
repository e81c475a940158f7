"""Services, slices and status: whole, in the form that readers rely on, and written once."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.clients.errors import TransientError
from discovery.clients.kube.connect import connect
from discovery.clients.kube.resources import ENDPOINT_SLICES, SERVICES
from discovery.simulator import Simulator, SimulatorState
from tests.cluster.conftest import API_SELECTORS, CONFIG, Cluster, Programs, condition
from tests.faults.conftest import Schedule, children, device, remove

BOTH = ["IPv4", "IPv6"]
HTTP = [{"name": "http", "port": 8080}]
TWICE = [{"name": "a", "port": 8080}, {"name": "b", "port": 8080}]


def static(name: str, address: str, port: int, protocol: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "tailscaleIP": address,
        "tailscaleFQDN": f"{name}.company.ts.net",
        "port": port,
        "protocol": protocol,
        **more,
    }


def addresses(slices: list[dict[str, Any]]) -> list[str]:
    return sorted(a for one in slices for e in one["endpoints"] for a in e["addresses"])


async def test_dual_slice_reader(schedule: Schedule, state: SimulatorState) -> None:
    """A Service has as many slices as families, port sets and hundreds of endpoints make."""
    many = [static(f"e{n:03}", f"100.84.40.{n}", 80, "TCP") for n in range(1, 151)]
    discovery = {"ports": HTTP, "addressFamilies": BOTH}
    await schedule.cluster.create(
        "api", endpoints=many, discovery=discovery, tagSelectors=API_SELECTORS
    )
    await schedule.sync()
    slices = await schedule.cluster.slices("api")
    found = [(one["addressType"], one["ports"][0]["port"], len(one["endpoints"])) for one in slices]
    assert sorted(found) == [
        ("IPv4", 80, 50),
        ("IPv4", 80, 100),
        ("IPv4", 8080, 3),
        ("IPv6", 8080, 4),
    ]
    before = await schedule.cluster.versions()
    await schedule.sync()
    assert await schedule.cluster.versions() == before
    assert (await schedule.cluster.resource("api"))["status"]["totalEndpoints"] == 154
    remove(state, "api-2")
    await schedule.sync()
    gone = {"100.84.12.2", "fd7a:115c:a1e0::c401:c02"}
    left = addresses(await schedule.cluster.slices("api"))
    assert set(addresses(slices)) - set(left) == gone
    assert len(left) == len(addresses(slices)) - len(gone)


async def test_ipv6_literal_everywhere(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    """Every URL and every address with a port: control plane, own servers, targets, status."""
    target = {"externalTarget": "[2001:db8::1]:443"}
    one = static("one", "fd7a:115c:a1e0::c401:c63", 443, "HTTPS", **target)
    discovery = {"ports": HTTP, "addressFamilies": ["IPv6"]}
    await cluster.create("api", endpoints=[one], discovery=discovery, tagSelectors=API_SELECTORS)
    async with Simulator(state, host="::1") as simulator:
        programs.environ["TS_BASE_URL"] = simulator.url
        controller = await programs.start(config=CONFIG.replace("127.0.0.1:0", "[::1]:0"))
        served = await controller.says("listening")
        await cluster.until_condition("api", "Ready", "True")
        state.faults.add("503")
        said = await cluster.until_condition("api", "SourceFresh", "False")
    assert re.findall(r"(\w+)=http://\[::1\]:\d+(?!\S)", served) == ["health", "metrics"]
    assert simulator.url.startswith("http://[::1]:")
    assert "(GET /api/v2/tailnet/-/devices" in said["message"]
    told = (await cluster.resource("api"))["status"]["endpoints"]
    assert [(entry["name"], entry["address"]) for entry in told] == [
        ("api-1", "[fd7a:115c:a1e0::c401:c01]:8080"),
        ("api-2", "[fd7a:115c:a1e0::c401:c02]:8080"),
        ("api-3", "[fd7a:115c:a1e0::c401:c03]:8080"),
        ("api-5", "[fd7a:115c:a1e0::c401:c19]:8080"),
        ("one", "[fd7a:115c:a1e0::c401:c63]:443"),
    ]


async def test_an_api_server_is_named_by_its_ipv6_address_in_brackets(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    clusters = [{"name": "a", "cluster": {"server": "https://[::1]:1"}}]
    contexts = [{"name": "a", "context": {"cluster": "a", "user": "a"}}]
    users = [{"name": "a", "user": {"token": "token-of-ipv6"}}]
    config = {"clusters": clusters, "contexts": contexts, "users": users, "current-context": "a"}
    kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **config}))
    async with connect(kubeconfig) as client:
        assert client.server == "https://[::1]:1"
        with pytest.raises(TransientError, match=r"^https://\[::1\]:1: "):
            await client.request("GET", "/version")


async def test_status_unchanged_no_write(schedule: Schedule, state: SimulatorState) -> None:
    """A hundred syncs, each of a process that knows nothing, over lists that differ in noise."""
    await schedule.cluster.create("api")
    await schedule.cluster.create("mixed", endpoints=[static("one", "100.84.12.1", 80, "HTTP")])
    await schedule.cluster.create("nothing", tagSelectors=[{"key": "no", "operator": "Exists"}])
    await schedule.cluster.create("conflict", discovery={"ports": TWICE})
    await schedule.sync()
    before = await schedule.cluster.versions()
    told = list(schedule.told)
    for number in range(100):
        for one in state.devices:
            one["lastSeen"] = f"2026-11-25T12:{number % 60:02}:00Z"
        outcome = await schedule.sync()
        assert [made.changes for made in outcome.passes] == [()] * 4
    assert await schedule.cluster.versions() == before
    assert schedule.told == told


async def test_eg_port_fields_present(schedule: Schedule, state: SimulatorState) -> None:
    """Envoy Gateway reads name, protocol and number of a slice's port without asking for nil."""
    protocols = ["HTTP", "HTTPS", "TCP", "UDP", "TLS", "gRPC"]
    statics = [
        static(f"e{n}", f"100.84.41.{n + 1}", 1000 + n, protocol)
        for n, protocol in enumerate(protocols)
    ]
    device(state, "api-2")["tags"].append("tag:port-9443")
    await schedule.cluster.create("default", discovery={"ports": []})
    await schedule.cluster.create("declared", discovery={"ports": HTTP, "addressFamilies": BOTH})
    await schedule.cluster.create("static", endpoints=statics)
    await schedule.cluster.create("noservice", service={"enabled": False})
    await schedule.sync()
    slices = await schedule.cluster.slices()
    services, _ = await schedule.cluster.client.list(SERVICES, schedule.cluster.namespace)
    ports = [port for one in slices for port in one["ports"]]
    ports += [port for one in services for port in one["spec"]["ports"]]
    assert len(slices) == 1 + 2 + 6 + 1 + 1
    assert len(services) == 3
    assert all(one["ports"] for one in slices)
    told = {port["port"]: port["protocol"] for port in ports}
    assert {number for number, protocol in told.items() if protocol == "UDP"} == {1003}
    for port in ports:
        assert (port["protocol"] in {"TCP", "UDP"}, type(port["port"])) == (True, int)
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", port["name"])


async def test_undesired_child_repaired(schedule: Schedule) -> None:
    """What carries the resource's uid as its owner and is not wanted goes; all else stays."""
    await schedule.cluster.create("api")
    await schedule.sync()
    before = await children(schedule.cluster)
    (held,), service = await schedule.cluster.slices(), await schedule.cluster.service("api")
    await plant(schedule.cluster, held, "api-undesired", "labels", "ownerReferences")
    await plant(schedule.cluster, service, "undesired", "labels", "ownerReferences")
    await plant(schedule.cluster, held, "api-stranger")
    await plant(schedule.cluster, service, "stranger")
    # An owner that exists, or the garbage collector takes the slice.
    path = f"/api/v1/namespaces/{schedule.cluster.namespace}/configmaps"
    other = await schedule.cluster.client.request(
        "POST", path, body={"metadata": {"name": "another"}}
    )
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "uid": other["metadata"]["uid"]}
    held["metadata"]["ownerReferences"][0] |= owner | {"name": "another"}
    await plant(schedule.cluster, held, "another", "labels", "ownerReferences")
    outcome = await schedule.sync()
    assert outcome.failures == []
    after = await children(schedule.cluster)
    strangers = {"EndpointSlice/api-stranger", "EndpointSlice/another", "Service/stranger"}
    assert after.keys() - before.keys() == strangers
    assert before.items() <= after.items()
    assert condition(await schedule.cluster.resource("api"), "Ready")["status"] == "True"


async def plant(cluster: Cluster, like: dict[str, Any], name: str, *marks: str) -> None:
    """Make an object like another as somebody else, with these of the other's metadata."""
    body = {**like, "metadata": {"name": name, **{key: like["metadata"][key] for key in marks}}}
    resource = SERVICES if body["kind"] == "Service" else ENDPOINT_SLICES
    path, made_by = resource.path(cluster.namespace), {"fieldManager": "somebody-else"}
    await cluster.client.request("POST", path, query=made_by, body=body)
