import asyncio
import gc

import httpx
import pytest

from discovery.simulator import Simulator, SimulatorState


async def test_every_answer_has_its_own_request_id(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    answers = [
        await api.get("/tailnet/-/devices"),
        await api.get("/nothing"),
        await api.post("/device/n1"),
        await api.get("/device/n1", auth=None),
        await control.get("clock"),
    ]
    identities = [answer.headers["x-tailscale-request-id"] for answer in answers]
    assert identities[0] == "REQ-2026010100000000000000001"
    assert len(set(identities)) == 5


async def test_request_ids_are_on_faults_too(api: httpx.AsyncClient, state: SimulatorState) -> None:
    state.faults.add("html")
    assert "x-tailscale-request-id" in (await api.get("/tailnet/-/devices")).headers


@pytest.mark.parametrize("path", ["/", "/nothing", "/tailnet/-", "/device/", "/tailnet/-/devices/"])
async def test_what_does_not_exist_is_json_too(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.json()) == (404, {"message": "not found"})


async def test_a_wrong_method_is_json_too(api: httpx.AsyncClient) -> None:
    answer = await api.post("/tailnet/-/devices")
    assert (answer.status_code, answer.json()) == (405, {"message": "method not allowed"})


async def test_a_defect_of_the_simulator_is_json_and_reported(
    api: httpx.AsyncClient, state: SimulatorState, caplog: pytest.LogCaptureFixture
) -> None:
    state.devices = [object()]
    answer = await api.get("/tailnet/-/devices")
    assert (answer.status_code, answer.json()) == (500, {"message": "internal server error"})
    assert "not JSON serializable" in caplog.text


async def test_localhost_is_one_address() -> None:
    async with Simulator(host="localhost") as simulator:
        assert simulator.url.startswith("http://127.0.0.1:")


async def test_an_escaped_path_is_what_it_spells(api: httpx.AsyncClient) -> None:
    assert (await api.get("/%64evice/nB01c2dE919f11CNTRL")).status_code == 200
    assert (await api.get("/device%2FnB01c2dE919f11CNTRL")).status_code == 404


async def test_an_escaped_slash_stays_within_its_value(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.devices[0]["id"] = "a/b c"
    assert (await api.get("/device/a%2Fb%20c")).status_code == 200


async def test_two_simulators_know_nothing_of_each_other() -> None:
    one, other = SimulatorState(), SimulatorState()
    async with Simulator(one) as first, Simulator(other) as second:
        assert first.url != second.url
        one.faults.add("500")
        assert list(other.faults) == []


async def test_it_ends_without_a_trace_though_connections_are_open() -> None:
    before = asyncio.all_tasks()
    simulator = Simulator()
    async with httpx.AsyncClient() as client:
        async with simulator:
            await client.get(f"{simulator.url}/simulator/clock")
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 1
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient().get(simulator.url)
    gc.collect()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])  # noqa: S104
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="is not a loopback address"):
        Simulator(host=host)


async def test_a_port_in_use_is_an_os_error() -> None:
    async with Simulator() as first:
        with pytest.raises(OSError, match="address already in use"):
            await Simulator(port=int(first.url.rpartition(":")[2])).__aenter__()


async def test_requests_are_counted_by_route(
    api: httpx.AsyncClient, control: httpx.AsyncClient, state: SimulatorState
) -> None:
    await api.get("/tailnet/-/devices", params={"fields": "all"}, headers={"User-Agent": "me/1"})
    await api.get("/tailnet/company.ts.net/devices")
    await api.get("/device/n1")
    shown = (await control.get("requests")).json()
    assert shown["total"] == 3
    assert shown["counts"] == {
        "GET /api/v2/device/{device}": 1,
        "GET /api/v2/tailnet/{tailnet}/devices": 2,
    }
    assert shown["calls"][0] == {
        "route": "GET /api/v2/tailnet/{tailnet}/devices",
        "path": "/api/v2/tailnet/-/devices",
        "query": "fields=all",
        "status": 200,
        "authorization": "Basic",
        "user_agent": "me/1",
    }
    assert state.calls.count("GET /api/v2/tailnet/{tailnet}/devices") == 2
    assert (await control.delete("requests")).json() == {"total": 0, "counts": {}, "calls": []}


async def test_devices_are_replaced_edited_and_dropped_from_outside(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    device = {"nodeId": "n1", "name": "a.company.ts.net", "tags": ["tag:a"]}
    await control.put("devices", json={"devices": [device, {"nodeId": "n2"}]})
    edited = await control.patch("devices/n1", json={"tags": None, "os": "linux"})
    assert edited.json() == {"nodeId": "n1", "name": "a.company.ts.net", "os": "linux"}
    assert (await api.get("/device/n1")).json() == edited.json()
    assert (await control.delete("devices/n2")).json() == {"devices": [edited.json()]}
    assert (await control.get("devices")).json() == {"devices": [edited.json()]}
    assert (await control.patch("devices/n2", json={})).status_code == 404


async def test_services_are_replaced_from_outside(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    service = {"name": "svc:a", "ports": ["tcp:1"], "addrs": ["100.64.0.9", "fd7a:115c:a1e0::9"]}
    await control.put("services", json={"vipServices": [service]})
    assert (await api.get("/tailnet/-/services")).json() == {"vipServices": [service]}
    assert (await control.get("services")).json() == {"vipServices": [service]}


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("PUT", "devices", b"[]"),
        ("PUT", "services", b'{"vipServices":[1]}'),
        ("PUT", "hosts", b'{"svc:web":[{}]}'),
        ("PUT", "hosts", b"[]"),
        ("PUT", "faults", b"{"),
        ("PUT", "oauth", b'{"scopes":1}'),
        ("POST", "clock", b"{}"),
        ("POST", "events", b"{}"),
        ("PATCH", "devices/nB01c2dE919f11CNTRL", b"[]"),
    ],
)
async def test_a_wrong_order_is_a_bad_request(
    control: httpx.AsyncClient, method: str, path: str, content: bytes
) -> None:
    answer = await control.request(method, path, content=content)
    assert answer.status_code == 400
    assert list(answer.json()) == ["message"]


async def test_the_clock_can_be_read_and_moved(
    control: httpx.AsyncClient, state: SimulatorState
) -> None:
    before = state.clock.now()
    shown = await control.post("clock", json={"advance": 100_000})
    assert shown.json() == {"now": state.clock.text()}
    assert state.clock.now() - before >= 100_000
