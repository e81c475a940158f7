"""One watch: its events, its lines, its end."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from discovery.clients.errors import APIError, AuthError, MalformedAnswerError, TransientError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.errors import ExpiredError
from discovery.clients.kube.resources import SERVICES, TAILSCALE_ENDPOINTS
from tests.clients.conftest import ScriptedServer, Then
from tests.clients.kube.conftest import service
from tests.controlplane import faults
from tests.controlplane.access import ControlPlane
from tests.controlplane.faults import Fault
from tests.controlplane.proxy import FaultProxy


def event(change: str, name: str = "web", version: str = "5", **metadata: Any) -> bytes:
    obj = {"metadata": {"name": name, "resourceVersion": version, **metadata}}
    return json.dumps({"type": change, "object": obj}).encode() + b"\n"


def names(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(e["type"], e["object"]["metadata"].get("name", "")) for e in events]


async def whole(client: KubeClient, seconds: int = 60) -> list[dict[str, Any]]:
    events = client.watch(SERVICES, "shop", resource_version="4", seconds=seconds)
    return [event async for event in events]


async def test_it_sees_what_is_added_changed_and_deleted(
    cluster: KubeClient, namespace: str
) -> None:
    _, version = await cluster.list(SERVICES, namespace)
    created = await cluster.apply(SERVICES, namespace, "web", service("web", 80))
    await cluster.apply(SERVICES, namespace, "web", service("web", 81))
    await cluster.delete(SERVICES, namespace, "web", uid=created["metadata"]["uid"])

    watch = cluster.watch(SERVICES, namespace, resource_version=version, seconds=60)
    async with aclosing(watch):
        events = [await anext(watch) for _ in range(3)]

    assert names(events) == [("ADDED", "web"), ("MODIFIED", "web"), ("DELETED", "web")]
    assert events[1]["object"]["spec"]["ports"][0]["port"] == 81
    assert events[1]["object"]["kind"] == "Service"


async def test_labels_choose(cluster: KubeClient, namespace: str) -> None:
    _, version = await cluster.list(SERVICES, namespace)
    await cluster.apply(SERVICES, namespace, "db", service("db"))
    await cluster.apply(SERVICES, namespace, "web", service("web", labels={"tier": "web"}))
    await cluster.apply(SERVICES, namespace, "web", service("web", labels={"tier": "other"}))

    watch = cluster.watch(
        SERVICES, namespace, resource_version=version, labels="tier=web", seconds=60
    )
    async with aclosing(watch):
        events = [await anext(watch) for _ in range(2)]

    assert names(events) == [("ADDED", "web"), ("DELETED", "web")]


async def test_it_asks_for_bookmarks_and_for_an_end(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(b"")

    assert await whole(scripted, seconds=270) == []

    query = server.requests[0].target.partition("?")[2].split("&")
    assert sorted(query) == [
        "allowWatchBookmarks=true",
        "resourceVersion=4",
        "timeoutSeconds=270",
        "watch=true",
    ]


async def test_it_ends_when_the_server_ends_it(cluster: KubeClient, namespace: str) -> None:
    _, version = await cluster.list(SERVICES, namespace)

    events = cluster.watch(SERVICES, namespace, resource_version=version, seconds=1)

    # A real server closes with a bookmark, if it has anything newer to say.
    assert {event["type"] async for event in events} <= {"BOOKMARK"}


async def test_a_bookmark_is_an_event(scripted: KubeClient, server: ScriptedServer) -> None:
    server.say(event("BOOKMARK", "", "9"))

    assert [e["object"]["metadata"]["resourceVersion"] for e in await whole(scripted)] == ["9"]


async def test_it_says_when_the_server_has_agreed(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say_raw(b"HTTP/1.1 200 OK\r\n\r\n", Then.WAIT)
    agreed = asyncio.Event()

    async def follow() -> None:
        watch = scripted.watch(SERVICES, resource_version="4", seconds=60, opened=agreed.set)
        await anext(watch, None)

    following = asyncio.create_task(follow())
    await asyncio.wait_for(agreed.wait(), 5)
    following.cancel()


async def test_events_before_a_cut_count_and_half_a_line_does_not(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    server.say_raw(head + event("ADDED") + event("ADDED", "half")[:-9])

    assert names(await whole(scripted)) == [("ADDED", "web")]


async def test_a_reset_ends_it(scripted: KubeClient, server: ScriptedServer) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    server.say_raw(head + event("ADDED"), Then.RESET)

    assert names(await whole(scripted)) in ([("ADDED", "web")], [])


async def test_a_connection_that_falls_silent_ends_it(
    fault_proxy: FaultProxy, namespace: str
) -> None:
    async with connect(fault_proxy.kubeconfig(), quiet=0.2) as client:
        _, version = await client.list(SERVICES, namespace)
        await client.apply(SERVICES, namespace, "web", service("web"))
        events = []
        async for event in client.watch(SERVICES, namespace, resource_version=version, seconds=600):
            events.append(event)
            fault_proxy.freeze()

    assert names(events) == [("ADDED", "web")]


async def test_a_server_that_never_begins_is_an_error(
    fault_proxy: FaultProxy, namespace: str
) -> None:
    fault_proxy.add(Fault(faults.hang(), watch=True))
    async with connect(fault_proxy.kubeconfig(), quiet=0.1) as client:
        with pytest.raises(TransientError, match="no complete answer in time"):
            await whole(client)


async def test_a_silent_answer_ends_with_the_time_it_was_given(
    scripted: KubeClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discovery.clients.kube.client._GRACE", -0.8)
    server.say_raw(b"HTTP/1.1 200 OK\r\n\r\n", Then.WAIT)

    assert await asyncio.wait_for(whole(scripted, seconds=1), 5) == []


async def test_a_version_that_is_too_old_is_expired(
    through: KubeClient, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Fault(faults.watch_expired(), watch=True))

    with pytest.raises(ExpiredError, match="too old resource version"):
        await whole(through)


async def test_a_version_that_the_server_can_not_have_is_expired_or_refused(
    cluster: KubeClient,
) -> None:
    events = cluster.watch(SERVICES, resource_version="no-version", seconds=1)

    with pytest.raises(APIError, match="no-version"):
        await anext(events)


@pytest.mark.parametrize(
    ("code", "kind"), [(403, AuthError), (410, ExpiredError), (500, TransientError)]
)
async def test_an_error_event_is_the_error_of_its_code(
    scripted: KubeClient, server: ScriptedServer, code: int, kind: type[APIError]
) -> None:
    said = {"kind": "Status", "code": code, "message": "so it is"}
    server.say(event("ADDED") + json.dumps({"type": "ERROR", "object": said}).encode() + b"\n")
    watch = scripted.watch(SERVICES, resource_version="4", seconds=60)

    assert names([await anext(watch)]) == [("ADDED", "web")]
    with pytest.raises(kind, match="so it is"):
        await anext(watch)


async def test_an_answer_that_refuses_the_watch_is_raised(control_plane: ControlPlane) -> None:
    async with connect(control_plane.kubeconfig("nobody")) as nobody:
        events = nobody.watch(TAILSCALE_ENDPOINTS, resource_version="1", seconds=1)
        with pytest.raises(AuthError, match="cannot watch resource"):
            await anext(events)


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"type":"ADDED"}',
        b'{"type":"ADDED","object":[]}',
        b'{"type":"ADDED","object":{}}',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":5}}}',
        b'{"type":"UNHEARD","object":{"metadata":{"resourceVersion":"5"}}}',
        b'{"type":"ERROR","object":{"kind":"Other","code":410}}',
        b'{"type":"ERROR"}',
        b"\xff\xff",
    ],
)
async def test_a_line_that_is_no_event_is_malformed(
    scripted: KubeClient, server: ScriptedServer, line: bytes
) -> None:
    server.say(line + b"\n")

    with pytest.raises(MalformedAnswerError):
        await whole(scripted)


async def test_an_error_without_a_code_is_named_as_such(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(b'{"type":"ERROR","object":{"kind":"Status","code":0}}\n')

    with pytest.raises(MalformedAnswerError, match="event ERROR without a Status"):
        await whole(scripted)


async def test_a_line_of_megabytes_is_one_event(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(event("ADDED", note="x" * 5_000_000) + event("DELETED"))

    events = await whole(scripted)

    assert names(events) == [("ADDED", "web"), ("DELETED", "web")]
    assert len(events[0]["object"]["metadata"]["note"]) == 5_000_000


async def test_a_storm_of_events_lets_the_loop_go_on(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(event("MODIFIED") * 20_000)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    at = [turns async for _ in scripted.watch(SERVICES, resource_version="4", seconds=60)]
    counting.cancel()

    longest = max(at.count(turn) for turn in set(at))
    assert len(at) == 20_000
    assert longest < 2000


async def test_letting_go_of_a_watch_closes_its_connection(
    through: KubeClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    _, version = await through.list(SERVICES, namespace)
    await through.apply(SERVICES, namespace, "web", service("web"))

    async with aclosing(
        through.watch(SERVICES, namespace, resource_version=version, seconds=60)
    ) as events:
        await anext(events)
        before = fault_proxy.open_connections
    async with asyncio.timeout(5):
        while fault_proxy.open_connections == before:  # noqa: ASYNC110 - it is in another thread
            await asyncio.sleep(0.01)
