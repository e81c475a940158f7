"""Every fault of the proxy, seen by a client that has no part in the program under test."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.controlplane import faults
from tests.controlplane.access import ENDPOINTS_PATH, ControlPlane
from tests.controlplane.faults import Act, Fault
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.proxy import FaultProxy

VERSION = "/version"
MAPS = "/api/v1/namespaces/{}/configmaps"


@contextmanager
def watch(client: httpx.Client, namespace: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Watch config maps from now on; the first event makes sure that the watch has begun."""
    path = MAPS.format(namespace)
    client.post(path, json={"metadata": {"name": "first"}}).raise_for_status()
    query = {"watch": "true", "timeoutSeconds": "20"}
    with client.stream("GET", path, params=query, timeout=3) as stream:
        events = (json.loads(line) for line in stream.iter_lines())
        assert next(events)["object"]["metadata"]["name"] == "first"
        yield events


def names(api: httpx.Client, namespace: str) -> list[str]:
    items = api.get(MAPS.format(namespace)).json()["items"]
    return [item["metadata"]["name"] for item in items]


def test_without_a_fault_requests_and_answers_pass(client: httpx.Client, namespace: str) -> None:
    made = client.post(MAPS.format(namespace), json={"metadata": {"name": "a"}})
    assert (made.status_code, made.json()["metadata"]["name"]) == (201, "a")
    assert names(client, namespace) == ["a"]


def test_a_body_in_chunks_passes(client: httpx.Client, namespace: str) -> None:
    parts = (part for part in (b'{"metadata": ', b'{"name": "a"}}'))
    json_type = {"Content-Type": "application/json"}
    made = client.post(MAPS.format(namespace), content=parts, headers=json_type)
    assert made.status_code == 201


def test_a_connection_serves_more_than_one_request(client: httpx.Client) -> None:
    sources = set()
    for _ in range(3):
        stream = client.get(VERSION).extensions["network_stream"]
        sources.add(stream.get_extra_info("client_addr"))
    assert len(sources) == 1


def test_a_watch_flows(client: httpx.Client, control_plane: ControlPlane, namespace: str) -> None:
    with watch(client, namespace) as events:
        control_plane.api.post(MAPS.format(namespace), json={"metadata": {"name": "second"}})
        assert next(events)["object"]["metadata"]["name"] == "second"


def test_a_watch_that_the_client_leaves_is_left_by_the_proxy(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    with watch(client, namespace):
        pass
    client.close()
    end = time.monotonic() + 5
    while fault_proxy.open_connections and time.monotonic() < end:
        time.sleep(0.01)
    assert fault_proxy.open_connections == 0


def test_kubectl_works_through_the_proxy(fault_proxy: FaultProxy, kubectl: Kubectl) -> None:
    config = fault_proxy.kubeconfig()
    listed = kubectl("get", "namespaces", "-o", "name", kubeconfig=config)
    assert "namespace/kube-system" in listed.stdout.splitlines()
    assert fault_proxy.count("GET", "/api/v1/namespaces") == 1


def test_a_service_account_is_itself_through_the_proxy(
    fault_proxy: FaultProxy, kubectl: Kubectl, namespace: str
) -> None:
    config = fault_proxy.service_account(namespace, "robot")
    said = kubectl(
        "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", kubeconfig=config
    )
    assert said.stdout == f"system:serviceaccount:{namespace}:robot"


def test_requests_are_counted_by_method_path_and_kind(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    names(client, namespace)
    with watch(client, namespace):
        pass
    client.delete(f"{MAPS.format(namespace)}/first")
    assert fault_proxy.count() == 4
    assert fault_proxy.count("POST|DELETE", "/configmaps") == 2
    assert fault_proxy.count("GET", "/configmaps", watch=True) == 1
    assert fault_proxy.count("GET", "/configmaps", watch=False) == 1
    assert fault_proxy.count("GET", "/secrets") == 0
    assert fault_proxy.seen("GET", watch=True)[0].target.endswith("watch=true&timeoutSeconds=20")


def test_one_waits_for_a_request(client: httpx.Client, fault_proxy: FaultProxy) -> None:
    with pytest.raises(AssertionError, match="no 1 requests GET /version"):
        fault_proxy.wait_for(1, "GET", VERSION, within=0.01)
    asking = threading.Thread(target=client.get, args=[VERSION])
    asking.start()
    fault_proxy.wait_for(1, "GET", VERSION)
    asking.join()


@pytest.mark.parametrize("act", [faults.drop(), faults.reset()])
def test_a_connection_breaks_before_the_request_is_passed_on(
    client: httpx.Client,
    control_plane: ControlPlane,
    fault_proxy: FaultProxy,
    namespace: str,
    act: Act,
) -> None:
    fault_proxy.add(Fault(act))
    with pytest.raises(httpx.TransportError):
        client.post(MAPS.format(namespace), json={"metadata": {"name": "a"}})
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
        with pytest.raises(httpx.TransportError):
            next(body)


def test_a_watch_is_cut_within_a_line(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    control_plane.api.post(MAPS.format(namespace), json={"metadata": {"name": "a"}})
    fault_proxy.add(Fault(faults.cut(after=40), watch=True))
    with client.stream("GET", MAPS.format(namespace), params={"watch": "1"}) as stream:
        body = stream.iter_raw()
        assert next(body).startswith(b'{"type":"ADDED"')
        with pytest.raises(httpx.TransportError):
            next(body)


def test_an_answer_is_lost_after_the_write(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(faults.answer_lost(), method="POST"))
    with pytest.raises(httpx.TransportError):
        client.post(MAPS.format(namespace), json={"metadata": {"name": "a"}})
    assert names(control_plane.api, namespace) == ["a"]


def test_a_request_hangs(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(faults.hang()))
    with pytest.raises(httpx.ReadTimeout):
        client.post(MAPS.format(namespace), json={"metadata": {"name": "a"}})
    assert names(control_plane.api, namespace) == []


def test_a_watch_begins_and_says_nothing(
    client: httpx.Client, control_plane: ControlPlane, fault_proxy: FaultProxy, namespace: str
) -> None:
    control_plane.api.post(MAPS.format(namespace), json={"metadata": {"name": "a"}})
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
        control_plane.api.post(MAPS.format(namespace), json={"metadata": {"name": "second"}})
        with pytest.raises(httpx.ReadTimeout):
            client.get(VERSION)
        fault_proxy.clear()
        assert next(events)["object"]["metadata"]["name"] == "second"


def test_every_open_connection_is_cut(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    with watch(client, namespace) as events:
        fault_proxy.cut()
        with pytest.raises(httpx.TransportError):
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


def test_a_fault_happens_to_what_matches_as_often_as_it_says(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    twice = Fault(faults.server_error(), method="GET", path="/configmaps$", times=2)
    fault_proxy.add(twice)
    path = MAPS.format(namespace)
    assert client.get(VERSION).status_code == 200
    assert client.get(f"{path}/absent").status_code == 404
    assert client.post(path, json={"metadata": {"name": "a"}}).status_code == 201
    assert [client.get(path).status_code for _ in range(3)] == [500, 500, 200]
    assert twice.hits == 2


def test_a_fault_without_a_number_stays_until_it_is_cleared(
    client: httpx.Client, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(faults.server_error(), times=None))
    assert [client.get(VERSION).status_code for _ in range(3)] == [500] * 3
    fault_proxy.clear()
    assert client.get(VERSION).status_code == 200


def test_a_fault_of_lists_alone_spares_watches(
    client: httpx.Client, fault_proxy: FaultProxy, namespace: str
) -> None:
    path = MAPS.format(namespace)
    fault_proxy.add(Fault(faults.forbidden(), path="/configmaps", watch=False, times=None))
    query = {"watch": "true", "timeoutSeconds": "0"}
    with client.stream("GET", path, params=query) as stream:
        assert stream.status_code == 200
    assert client.get(path).status_code == 403


def test_faults_happen_in_the_order_in_which_they_were_added(
    client: httpx.Client, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(faults.bad_gateway()), Fault(faults.server_error()))
    assert [client.get(VERSION).status_code for _ in range(3)] == [502, 500, 200]
