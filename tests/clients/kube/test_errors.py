"""What each answer of an API server, or of something in front of it, is to the caller."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.errors import (
    APIError,
    AuthError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RejectedError,
    TransientError,
)
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.errors import (
    ExpiredError,
    NamespaceTerminatingError,
    NotServedError,
)
from discovery.clients.kube.resources import SERVICES, Resource
from discovery.clients.retrying import Patience
from tests.clients.conftest import ScriptedServer, Then
from tests.clients.kube.conftest import TOKEN, write_kubeconfig
from tests.controlplane import faults
from tests.controlplane.access import ControlPlane
from tests.controlplane.faults import Fault
from tests.controlplane.proxy import FaultProxy

WEB = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
GATEWAYS = Resource("gateway.networking.k8s.io", "v1", "gateways", "Gateway")
SLICES_OF_TOMORROW = Resource("discovery.k8s.io", "v9", "endpointslices", "EndpointSlice")
HTML = b"<html><body>404 nginx</body></html>"


def status(code: int, message: str, **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "message": message, "details": details}


async def refused(client: KubeClient) -> APIError:
    """Return the error of one write."""
    with pytest.raises(APIError) as caught:
        await client.create(SERVICES, "shop", WEB)
    return caught.value


async def test_an_object_that_is_not_there_is_not_found(
    cluster: KubeClient, namespace: str
) -> None:
    with pytest.raises(NotFoundError) as caught:
        await cluster.get(SERVICES, namespace, "web")

    path = f"/api/v1/namespaces/{namespace}/services/web"
    assert str(caught.value) == f'services "web" not found (GET {path}, HTTP 404)'


async def test_a_write_into_a_namespace_that_is_not_there_is_not_found(
    cluster: KubeClient,
) -> None:
    with pytest.raises(NotFoundError, match='namespaces "no-such" not found'):
        await cluster.create(SERVICES, "no-such", WEB)


@pytest.mark.parametrize("resource", [GATEWAYS, SLICES_OF_TOMORROW], ids=lambda r: r.api_version)
async def test_a_kind_that_is_not_served_is_not_an_empty_list(
    cluster: KubeClient, resource: Resource
) -> None:
    with pytest.raises(NotServedError):
        await cluster.list(resource)


async def test_creating_what_is_there_is_a_conflict(cluster: KubeClient, namespace: str) -> None:
    await cluster.create(SERVICES, namespace, WEB)

    with pytest.raises(ConflictError, match='services "web" already exists'):
        await cluster.create(SERVICES, namespace, WEB)


async def test_a_missing_right_is_named(control_plane: ControlPlane) -> None:
    async with connect(control_plane.kubeconfig("nobody")) as nobody:
        with pytest.raises(AuthError, match='User "nobody" cannot list resource "services"'):
            await nobody.list(SERVICES)


async def test_an_invalid_object_is_rejected(cluster: KubeClient, namespace: str) -> None:
    wrong = WEB | {"spec": {"ports": [{"port": 99999}]}}

    with pytest.raises(RejectedError, match="99999") as caught:
        await cluster.create(SERVICES, namespace, wrong)
    assert caught.value.status == 422


async def test_a_body_larger_than_the_server_reads_is_rejected(
    cluster: KubeClient, namespace: str
) -> None:
    huge = WEB | {"metadata": {"name": "web", "annotations": {"a": "x" * 4_000_000}}}

    with pytest.raises(RejectedError) as caught:
        await cluster.create(SERVICES, namespace, huge)
    assert caught.value.status == 413


async def test_nothing_is_created_in_a_namespace_that_is_being_deleted(
    cluster: KubeClient, control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.api.delete(f"/api/v1/namespaces/{namespace}").raise_for_status()

    with pytest.raises(NamespaceTerminatingError, match="because it is being terminated"):
        await cluster.create(SERVICES, namespace, WEB)


async def test_a_server_that_is_overloaded_says_when_to_come_back(
    through: KubeClient, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(faults.too_many_requests(7), method="POST"))

    error = await refused(through)

    assert isinstance(error, TransientError)
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("body", [b"etcdserver: request is too large", b"ResourceExhausted"])
async def test_what_etcd_can_not_store_is_rejected_and_not_transient(
    scripted: KubeClient, server: ScriptedServer, body: bytes
) -> None:
    server.say(status(500, f"rpc error: {body.decode()}"), 500)

    assert type(await refused(scripted)) is RejectedError


@pytest.mark.parametrize(
    ("code", "body", "kind", "message"),
    [
        (401, status(401, "Unauthorized"), AuthError, "Unauthorized"),
        (403, HTML, AuthError, "an HTML page"),
        (404, HTML, NotServedError, "an HTML page"),
        (404, b"404 page not found", NotServedError, "404 page not found"),
        (409, status(409, "changed", name="web"), ConflictError, "changed"),
        (410, status(410, "too old"), ExpiredError, "too old"),
        (400, status(400, "bad"), RejectedError, "bad"),
        (500, status(500, "webhook failed"), TransientError, "webhook failed"),
        (502, HTML, TransientError, "an HTML page"),
        (503, b"", TransientError, "Service Unavailable"),
        (307, b"", MalformedAnswerError, "a success was expected"),
        (200, b"<html>", MalformedAnswerError, "the answer is no JSON object"),
        (200, b"[]", MalformedAnswerError, "the answer is no JSON object"),
        (200, b'{"kind": "Serv', MalformedAnswerError, "the answer is no JSON object"),
        (200, b"\xff\xfe", MalformedAnswerError, "the answer is no JSON object"),
        (500, b"\xff" * 100_000, TransientError, "Internal Server Error"),
    ],
)
async def test_an_answer_is_of_one_kind(
    scripted: KubeClient,
    server: ScriptedServer,
    code: int,
    body: Any,
    kind: type[APIError],
    message: str,
) -> None:
    server.say(body, code, {"Location": "http://127.0.0.1:9/"})

    error = await refused(scripted)

    assert type(error) is kind
    assert error.message.startswith(message)
    assert error.where == "POST /api/v1/namespaces/shop/services"
    assert len(server.requests) == 1


async def test_a_status_may_say_when_to_come_back_too(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(status(503, "starting", retryAfterSeconds=5), 503)

    error = await refused(scripted)

    assert isinstance(error, TransientError)
    assert error.retry_after == timedelta(seconds=5)


async def test_a_server_that_repeats_the_token_is_not_quoted(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(f"who is {TOKEN}?".encode(), 400)

    error = await refused(scripted)

    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert error.message == "who is [redacted]?"
    assert TOKEN not in repr(error)


async def test_a_connection_reset_within_the_answer_is_transient(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say_raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"kind":', Then.RESET)

    assert isinstance(await refused(scripted), TransientError)


async def test_a_server_that_says_nothing_is_transient(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say_raw(b"", Then.WAIT)

    with pytest.raises(TransientError, match="no complete answer in time"):
        await scripted.request("GET", "/version", timeout=0.05)


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    closed = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{closed.sockets[0].getsockname()[1]}"
    closed.close()
    kubeconfig = write_kubeconfig(tmp_path / "closed", url, {})
    once = Patience(timedelta(seconds=0))
    async with connect(kubeconfig, patience=once) as client:
        error = await refused(client)

    assert isinstance(error, TransientError)
    assert error.message.startswith(f"{url}: ClientConnectorError: Connect call failed")


async def test_a_certificate_of_another_authority_is_not_trusted(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "untrusting", control_plane.url, {"token": TOKEN})
    async with connect(kubeconfig) as client:
        error = await refused(client)

    assert isinstance(error, TransientError)
    assert "certificate verify failed" in error.message
