import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from discovery.simulator import SimulatorState

ALL = "/tailnet/-/webhooks"


@dataclass
class Receiver:
    """What a webhook endpoint got: the head and the body of each request."""

    url: str
    requests: asyncio.Queue[tuple[dict[str, str], bytes]] = field(default_factory=asyncio.Queue)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await got.put((headers, body))

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    yield Receiver(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", got)
    server.close()
    await server.wait_closed()


async def created(api: httpx.AsyncClient, url: str, *subscriptions: str) -> dict[str, Any]:
    body = {"endpointUrl": url, "subscriptions": list(subscriptions)}
    endpoint: dict[str, Any] = (await api.post(ALL, json=body)).json()
    return endpoint


async def test_a_webhook_is_created_listed_and_deleted(api: httpx.AsyncClient) -> None:
    endpoint = await created(api, "http://127.0.0.1:1/", "nodeCreated")
    assert endpoint.pop("secret").startswith("tskey-webhook-")
    assert endpoint["subscriptions"] == ["nodeCreated"]
    assert (await api.get(ALL)).json() == {"webhooks": [endpoint]}
    one = f"/webhooks/{endpoint['endpointId']}"
    assert (await api.get(one)).json() == endpoint
    assert (await api.delete(one)).status_code == 200
    assert (await api.get(ALL)).json() == {"webhooks": []}
    assert (await api.delete(one)).json() == {"message": "not found"}


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook", "http://192.0.2.1/", "http://127.0.0.1.example.com/", "", "x"],
)
async def test_a_target_that_is_not_on_loopback_is_refused(
    api: httpx.AsyncClient, url: str
) -> None:
    answer = await api.post(ALL, json={"endpointUrl": url, "subscriptions": ["nodeCreated"]})
    assert answer.status_code == 400
    assert "nothing leaves the machine" in answer.json()["message"]


async def test_a_webhook_needs_subscriptions(api: httpx.AsyncClient) -> None:
    answer = await api.post(ALL, json={"endpointUrl": "http://127.0.0.1:1/"})
    assert (answer.status_code, answer.json()) == (400, {"message": "bad request"})


async def test_events_are_sent_signed_to_whoever_subscribes(
    api: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver, state: SimulatorState
) -> None:
    endpoint = await created(api, receiver.url, "nodeCreated")
    await created(api, "http://127.0.0.1:1/", "nodeDeleted")
    events = [
        {"type": "nodeCreated", "message": "made", "data": {"nodeID": "n1"}},
        {"type": "userCreated"},
    ]
    answer = await control.post("events", json={"events": events})
    assert answer.json() == {"deliveries": [{"endpointId": endpoint["endpointId"], "status": 204}]}
    headers, body = await receiver.requests.get()
    (event,) = json.loads(body)
    assert abs(state.clock.now() - int(headers["tailscale-webhook-signature"][2:12])) < 60
    assert event.pop("timestamp")[-1] == "Z"
    assert event == {
        "version": 1,
        "type": "nodeCreated",
        "tailnet": "company.ts.net",
        "message": "made",
        "data": {"nodeID": "n1"},
    }


async def test_the_signature_is_an_hmac_of_time_and_body(
    api: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    endpoint = await created(api, receiver.url, "nodeCreated")
    sent = {"events": [{"type": "nodeCreated"}], "signedAt": 1700000000}
    await control.post("events", json=sent)
    headers, body = await receiver.requests.get()
    digest = hmac.new(endpoint["secret"].encode(), b"1700000000." + body, hashlib.sha256)
    assert headers["tailscale-webhook-signature"] == f"t=1700000000,v1={digest.hexdigest()}"
    assert headers["content-type"] == "application/json"


async def test_a_test_event_is_sent_on_request(api: httpx.AsyncClient, receiver: Receiver) -> None:
    endpoint = await created(api, receiver.url, "nodeCreated")
    answer = await api.post(f"/webhooks/{endpoint['endpointId']}/test")
    assert (answer.status_code, answer.content) == (202, b"")
    _, body = await receiver.requests.get()
    assert [event["type"] for event in json.loads(body)] == ["test"]


async def test_an_endpoint_that_is_not_there_has_no_status(
    api: httpx.AsyncClient, control: httpx.AsyncClient, receiver: Receiver
) -> None:
    await created(api, "http://127.0.0.1:1/", "nodeCreated")
    answer = await control.post("events", json={"events": [{"type": "nodeCreated"}]})
    assert [one["status"] for one in answer.json()["deliveries"]] == [None]
