"""Reads, and what all requests have in common."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.errors import MalformedAnswerError, NotFoundError, TransientError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.errors import ExpiredError
from discovery.clients.kube.resources import SERVICES
from tests.clients.conftest import Clock, ScriptedServer
from tests.clients.kube.conftest import service, write_kubeconfig
from tests.controlplane.access import ControlPlane
from tests.controlplane.proxy import FaultProxy


def page(*names: str, then: str = "", at: str = "7") -> dict[str, Any]:
    items = [{"metadata": {"name": name}} for name in names]
    return {"metadata": {"resourceVersion": at, "continue": then}, "items": items}


async def test_a_list_is_read_by_pages_to_its_end(
    through: KubeClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    for number in range(5):
        await through.create(SERVICES, namespace, service(f"s{number}"))

    items, _ = await through.list(SERVICES, namespace, limit=2)

    assert [item["metadata"]["name"] for item in items] == ["s0", "s1", "s2", "s3", "s4"]
    assert fault_proxy.count("GET", f"/namespaces/{namespace}/services") == 3


async def test_a_list_ends_at_the_version_of_its_first_page(
    cluster: KubeClient, namespace: str
) -> None:
    last = await cluster.create(SERVICES, namespace, service("web"))

    _, listed_at = await cluster.list(SERVICES, namespace)

    assert int(listed_at) >= int(last["metadata"]["resourceVersion"])


async def test_items_of_a_list_name_their_kind_as_single_objects_do(
    cluster: KubeClient, namespace: str
) -> None:
    created = await cluster.create(SERVICES, namespace, service("web"))

    assert (await cluster.list(SERVICES, namespace))[0] == [created]


async def test_labels_choose(cluster: KubeClient, namespace: str) -> None:
    await cluster.create(SERVICES, namespace, service("a", labels={"tier": "web"}))
    await cluster.create(SERVICES, namespace, service("b", labels={"tier": "db"}))

    items, _ = await cluster.list(SERVICES, namespace, labels="tier in (web, cache),tier!=db")

    assert [item["metadata"]["name"] for item in items] == ["a"]


async def test_later_pages_do_not_move_the_version(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(page("a", then="more", at="7"))
    server.say(page("b", at="9"))

    assert (await scripted.list(SERVICES))[1] == "7"


async def test_an_expired_continue_token_begins_the_list_anew(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(page("a", then="token/+=", at="7"))
    server.say({"kind": "Status", "message": "expired", "code": 410}, 410)
    server.say(page("a", "b", at="9"))

    items, listed_at = await scripted.list(SERVICES)

    assert [item["metadata"]["name"] for item in items] == ["a", "b"]
    assert listed_at == "9"
    assert "continue=token/%2B%3D" in server.requests[1].target
    assert "continue" not in server.requests[2].target


async def test_a_list_that_expires_again_and_again_is_given_up(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    for _ in range(4):
        server.say({"kind": "Status", "message": "expired", "code": 410}, 410)

    with pytest.raises(ExpiredError):
        await scripted.list(SERVICES)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"metadata": {"resourceVersion": "7"}},
        {"metadata": {}, "items": []},
        page() | {"items": {}},
        [],
        b"<html>",
    ],
)
async def test_what_is_no_list_is_not_an_empty_one(
    scripted: KubeClient, server: ScriptedServer, body: Any
) -> None:
    server.say(body)

    with pytest.raises(MalformedAnswerError):
        await scripted.list(SERVICES)


@pytest.mark.parametrize("item", ["text", None, ["a"]])
async def test_an_item_that_is_no_object_fails_the_list(
    scripted: KubeClient, server: ScriptedServer, item: Any
) -> None:
    server.say(page("a") | {"items": [item]})

    with pytest.raises(MalformedAnswerError):
        await scripted.list(SERVICES)


async def test_a_list_without_items_may_say_null(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(page() | {"items": None})

    assert await scripted.list(SERVICES) == ([], "7")


async def test_a_read_is_repeated_when_it_failed_in_passing(
    scripted: KubeClient, server: ScriptedServer, clock: Clock
) -> None:
    server.say(b"<html>", 502)
    server.say(b"slow down", 429, {"Retry-After": "3"})
    server.say(service("web"))

    assert (await scripted.get(SERVICES, "shop", "web"))["metadata"] == {"name": "web"}
    assert len(clock.waits) == 2
    assert clock.waits[1] >= 3


async def test_a_page_is_repeated_without_beginning_anew(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(page("a", then="more"))
    server.say(b"<html>", 502)
    server.say(page("b"))

    items, _ = await scripted.list(SERVICES)

    assert [item["metadata"]["name"] for item in items] == ["a", "b"]


async def test_a_read_that_may_not_be_repeated_fails_at_once(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say(b"<html>", 502)

    with pytest.raises(TransientError):
        await scripted.collect(SERVICES, lambda item: item, retried=False)
    assert len(server.requests) == 1


async def test_a_large_list_lets_the_loop_go_on(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    names = [f"a-service-with-a-long-name-{number}" for number in range(20_000)]
    server.say(page(*names))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    project_turns: list[int] = []
    await scripted.collect(SERVICES, lambda _: project_turns.append(turns))
    counting.cancel()

    assert len(project_turns) == 20_000
    assert len(set(project_turns)) > 10


async def test_each_request_is_told_of(control_plane: ControlPlane, namespace: str) -> None:
    told: list[tuple[str, str, str]] = []

    def on_request(verb: str, plural: str, code: str, seconds: float) -> None:
        assert seconds > 0
        told.append((verb, plural, code))

    async with connect(control_plane.kubeconfig(), on_request=on_request) as client:
        created = await client.create(SERVICES, namespace, service("web"))
        await client.apply(SERVICES, namespace, "web", service("web"))
        _, listed_at = await client.list(SERVICES, namespace)
        await client.delete(SERVICES, namespace, "web", uid=created["metadata"]["uid"])
        with pytest.raises(NotFoundError):
            await client.get(SERVICES, namespace, "web")
        watched = client.watch(SERVICES, namespace, resource_version=listed_at, seconds=60)
        await anext(watched)
        assert told[-1] == ("watch", "services", "200")
        await watched.aclose()

    assert told == [
        ("create", "services", "201"),
        ("apply", "services", "200"),
        ("list", "services", "200"),
        ("delete", "services", "200"),
        ("get", "services", "404"),
        ("watch", "services", "200"),
    ]


async def test_an_answer_that_breaks_off_is_told_of_once(
    server: ScriptedServer, tmp_path: Path
) -> None:
    told: list[str] = []
    kubeconfig = write_kubeconfig(tmp_path / "config", server.url, {})
    server.say_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")

    async with connect(kubeconfig, on_request=lambda *said: told.append(said[2])) as client:
        with pytest.raises(TransientError):
            await client.request("GET", "/version")

    assert told == ["200"]


async def test_a_server_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    told: list[str] = []
    kubeconfig = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:9", {})

    async with connect(kubeconfig, on_request=lambda *said: told.append(said[2])) as client:
        with pytest.raises(TransientError):
            await client.request("GET", "/version")

    assert told == ["error"]


async def test_connections_are_kept(through: KubeClient, fault_proxy: FaultProxy) -> None:
    for _ in range(5):
        await through.request("GET", "/version")

    assert fault_proxy.open_connections == 1
