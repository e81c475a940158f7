import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from discovery.simulator import Simulator, SimulatorState

LIST = "/tailnet/-/devices"
WEB = "/tailnet/-/services/svc:web"


async def test_a_status_is_answered_for_as_many_requests_as_it_says(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("503x2")
    assert [(await api.get(LIST)).status_code for _ in range(3)] == [503, 503, 200]


@pytest.mark.parametrize(
    ("rule", "retry_after"),
    [
        ("429", None),
        ("429:30", "30"),
        ("429:Wed, 25 Nov 2026 10:00:00 GMT", "Wed, 25 Nov 2026 10:00:00 GMT"),
        ("503:1", "1"),
    ],
)
async def test_retry_after_is_sent_as_the_rule_says(
    api: httpx.AsyncClient, state: SimulatorState, rule: str, retry_after: str | None
) -> None:
    state.faults.add(rule)
    assert (await api.get(LIST)).headers.get("retry-after") == retry_after


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "bad request"),
        (401, "API token invalid"),
        (402, "feature not available on current billing plan"),
        (403, "calling actor does not have enough permissions to perform this function"),
        (404, "not found"),
        (429, "too many requests"),
        (500, "internal server error"),
        (502, "bad gateway"),
        (504, "request took too long to process, please try again later"),
    ],
)
async def test_a_status_comes_with_the_apis_own_message(
    api: httpx.AsyncClient, state: SimulatorState, status: int, message: str
) -> None:
    state.faults.add(str(status))
    answer = await api.get(LIST)
    assert (answer.status_code, answer.json()) == (status, {"message": message})


async def test_not_modified_has_no_body(api: httpx.AsyncClient, state: SimulatorState) -> None:
    state.faults.add("304")
    answer = await api.get(LIST)
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(("rule", "status"), [("html", 502), ("html:200", 200)])
async def test_a_page_of_a_proxy_is_html(
    api: httpx.AsyncClient, state: SimulatorState, rule: str, status: int
) -> None:
    state.faults.add(rule)
    answer = await api.get(LIST)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")


async def test_a_redirect_goes_where_the_rule_says(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("redirect:http://127.0.0.2:9/x")
    answer = await api.get(LIST)
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://127.0.0.2:9/x"


@pytest.mark.parametrize("body", ["null", "{}", "[]", '{"devices":null}', '{"Devices":[]}', "{"])
async def test_a_body_is_sent_as_it_is_written(
    api: httpx.AsyncClient, state: SimulatorState, body: str
) -> None:
    state.faults.add(f"body:{body}")
    answer = await api.get(LIST)
    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["content-type"] == "application/json"
    assert len((await api.get("/tailnet/-/services")).json()["vipServices"]) == 3


async def test_a_slow_answer_is_right_in_the_end(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("slow:0.05")
    began = asyncio.get_running_loop().time()
    assert len((await api.get(LIST)).json()["devices"]) == 26
    assert asyncio.get_running_loop().time() - began >= 0.05


async def test_a_slow_request_does_not_hold_up_the_end(state: SimulatorState) -> None:
    state.faults.add("slow:1000@oauth")
    async with Simulator(state) as simulator, httpx.AsyncClient(base_url=simulator.url) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(simulator.url).port)
        writer.write(b"POST /api/v2/oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await client.get("/simulator/clock")  # answered later, hence the other one was begun
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5
    assert await reader.read() == b""
    writer.close()


async def test_a_dropped_request_is_not_carried_out(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("dropx1")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await api.delete(WEB)
    assert (await api.get(WEB)).status_code == 200


async def test_a_lost_answer_was_carried_out(api: httpx.AsyncClient, state: SimulatorState) -> None:
    state.faults.add("lostx1")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await api.delete(WEB)
    assert (await api.get(WEB)).status_code == 404
    assert [call.status for call in state.calls.latest()] == [None, 404]


async def test_a_truncated_answer_promises_its_full_length(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    whole = len((await api.get(LIST)).content)
    state.faults.add("truncated")
    with pytest.raises(httpx.RemoteProtocolError, match=f"received {whole // 2}.*expected {whole}"):
        await api.get(LIST)


async def test_an_oversized_answer_is_still_json(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    whole = len((await api.get(LIST)).content)
    state.faults.add("oversized:1000")
    answer = await api.get(LIST)
    assert len(answer.content) == whole + 1000
    assert len(answer.json()["devices"]) == 26


async def test_rules_are_asked_in_order(api: httpx.AsyncClient, state: SimulatorState) -> None:
    state.faults.add("500x1", "502@servicesx1", "503x1", "504")
    assert [(await api.get(LIST)).status_code for _ in range(3)] == [500, 503, 504]
    assert (await api.get("/tailnet/-/services")).status_code == 502


@pytest.mark.parametrize(
    ("area", "hit"),
    [
        ("*", {"list", "device", "services", "service", "put", "webhooks", "token"}),
        ("devices", {"list", "device"}),
        ("device-list", {"list"}),
        ("device", {"device"}),
        ("services", {"services", "service", "put"}),
        ("service-list", {"services"}),
        ("service", {"service", "put"}),
        ("writes", {"put"}),
        ("oauth", {"token"}),
        ("webhooks", {"webhooks"}),
    ],
)
async def test_an_area_holds_its_calls(
    api: httpx.AsyncClient, state: SimulatorState, area: str, hit: set[str]
) -> None:
    state.faults.add(f"418@{area}")
    answers = {
        "list": await api.get(LIST),
        "device": await api.get("/device/n1"),
        "services": await api.get("/tailnet/-/vip-services"),
        "service": await api.get(f"{WEB}/devices"),
        "put": await api.put(WEB, json={}),
        "webhooks": await api.get("/tailnet/-/webhooks"),
        "token": await api.post("/oauth/token"),
    }
    assert {name for name, answer in answers.items() if answer.status_code == 418} == hit


async def test_faults_are_set_shown_and_cleared_while_it_runs(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    shown = await control.put("faults", json={"faults": ["500x2", "half@devices"]})
    assert shown.json() == {
        "faults": [{"rule": "500x2", "left": 2}, {"rule": "half@devices", "left": None}]
    }
    assert (await api.get(LIST)).status_code == 500
    assert (await control.get("faults")).json()["faults"][0] == {"rule": "500x2", "left": 1}
    assert (await control.delete("faults")).json() == {"faults": []}
    assert (await api.get(LIST)).status_code == 200


async def test_a_wrong_rule_leaves_those_in_force(
    control: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("500")
    answer = await control.put("faults", json={"faults": ["502", "nonsense"]})
    assert answer.status_code == 400
    assert 'no fault "nonsense"' in answer.json()["message"]
    assert list(state.faults) == [("500", None)]


async def test_no_fault_touches_the_control_interface(
    control: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("500")
    assert (await control.get("requests")).status_code == 200
