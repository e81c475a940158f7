"""Every fault of the proxy, seen by a client that has no part in the program under test."""

import asyncio
import json
import ssl
import time

import httpx
import pytest

from tests.controlplane import faults
from tests.controlplane.access import ENDPOINTS_PATH, ControlPlane
from tests.controlplane.configmaps import MAPS, create, names, watch
from tests.controlplane.faults import Act, Fault
from tests.controlplane.proxy import FaultProxy

VERSION = "/version"
BROKEN = (httpx.ReadError, httpx.RemoteProtocolError)


@pytest.mark.parametrize("act", [faults.drop(), faults.reset()])
def test_a_connection_breaks_before_the_request_is_passed_on(
    client: httpx.Client,
    control_plane: ControlPlane,
    fault_proxy: FaultProxy,
    namespace: str,
    act: Act,
) -> None:
    fault_proxy.add(Fault(act))
    with pytest.raises(BROKEN):
        create(client, namespace, "a")
    assert names(control_plane.api, namespace) == []
    assert client.get(VERSION).status_code == 200


async def test_dropped_is_an_end_and_reset_is_a_reset(
    control_plane: ControlPlane, fault_proxy: FaultProxy
) -> None:
    context = ssl.create_default_context(cafile=control_plane.ca)
    host, port = fault_proxy.url.removeprefix("https://").split(":")

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            return await reader.read()
        finally:
            writer.transport.abort()

    fault_proxy.add(Fault(faults.drop()), Fault(faults.reset()))
    assert await ask() == b""
    with pytest.raises(ConnectionResetError):
        await ask()


def test_an_answer_is_cut_in_its_body(client: httpx.Client, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Fault(faults.cut(after=10)))
    with client.stream("GET", VERSION) as stream:
        assert stream.status_code == 200
        body = stream.iter_raw()
        assert next(body) == b'{\n  "major'
        with pytest.raises(BROKEN):
            next(body)


def test_a_watch_is_cut_within_a_line(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    create(control_plane.api, namespace, "a")
    fault_proxy.add(Fault(faults.cut(after=40), watch=True))
    with client.stream("GET", MAPS.format(namespace), params={"watch": "1"}) as stream:
        body = stream.iter_raw()
        assert next(body).startswith(b'{"type":"ADDED"')
        with pytest.raises(BROKEN):
            next(body)


def test_an_answer_is_lost_after_the_write(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(faults.answer_lost(), method="POST"))
    with pytest.raises(BROKEN):
        create(client, namespace, "a")
    assert names(control_plane.api, namespace) == ["a"]


def test_a_request_hangs(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(faults.hang()))
    with pytest.raises(httpx.ReadTimeout):
        create(client, namespace, "a")
    assert names(control_plane.api, namespace) == []


def test_a_watch_begins_and_says_nothing(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    create(control_plane.api, namespace, "a")
    fault_proxy.add(Fault(faults.hang(after=0), watch=True))
    with client.stream("GET", MAPS.format(namespace), params={"watch": "1"}) as stream:
        assert stream.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            next(stream.iter_raw())


def test_a_watch_that_has_begun_falls_silent(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    with watch(client, namespace) as events:
        fault_proxy.freeze()
        create(control_plane.api, namespace, "second")
        with pytest.raises(httpx.ReadTimeout):
            client.get(VERSION)
        fault_proxy.clear()
        assert next(events)["object"]["metadata"]["name"] == "second"


def test_every_open_connection_is_cut(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    with watch(client, namespace) as events:
        fault_proxy.cut()
        with pytest.raises(BROKEN):
            next(events)
    assert client.get(VERSION).status_code == 200


def test_an_answer_comes_late(client: httpx.Client, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Fault(faults.delay(0.2)))
    begun = time.monotonic()
    assert client.get(VERSION).status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_an_event_says_that_the_watch_is_too_old(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(faults.watch_expired(), watch=True))
    lines = client.get(MAPS.format(namespace), params={"watch": "true"}).text.splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "type": "ERROR",
            "object": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "too old resource version: 1 (2)",
                "reason": "Expired",
                "code": 410,
            },
        }
    ]


def test_the_real_server_says_it_alike(control_plane: ControlPlane) -> None:
    query = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": "1"}
    said = control_plane.api.get(ENDPOINTS_PATH, params=query)
    (event,) = [json.loads(line) for line in said.text.splitlines()]
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == (
        "ERROR",
        410,
        "Expired",
    )


def test_a_watch_ends_at_once(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(faults.watch_ends(), watch=True))
    ended = client.get(MAPS.format(namespace), params={"watch": "true"})
    assert (ended.status_code, ended.content) == (200, b"")


@pytest.mark.parametrize(
    ("act", "code", "message"),
    [
        (faults.forbidden(), 403, "tailscaleendpoints is forbidden: injected"),
        (faults.server_error(), 500, "an internal error: injected"),
        (faults.too_large(), 500, "etcdserver: request is too large"),
        (faults.too_many_requests(7), 429, "Too many requests, please try again later."),
        (faults.status(410, "Expired", "too old"), 410, "too old"),
    ],
)
def test_an_error_is_a_status(
    client: httpx.Client, fault_proxy: FaultProxy, act: Act, code: int, message: str
) -> None:
    fault_proxy.add(Fault(act))
    refused = client.get(VERSION)
    assert (refused.status_code, refused.json()["message"]) == (code, message)
    assert (refused.json()["kind"], refused.json()["code"]) == ("Status", code)
    assert client.get(VERSION).status_code == 200


def test_too_many_requests_say_when_to_come_again(
    client: httpx.Client, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(faults.too_many_requests(7)))
    assert client.get(VERSION).headers["Retry-After"] == "7"


def test_a_bad_gateway_is_a_page(client: httpx.Client, fault_proxy: FaultProxy) -> None:
    fault_proxy.add(Fault(faults.bad_gateway()))
    page = client.get(VERSION)
    assert (page.status_code, page.headers["Content-Type"]) == (502, "text/html")
    assert page.text.startswith("<html>")
