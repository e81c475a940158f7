"""When a watcher lists, watches and waits: scripted answers, and a clock of the test's own."""

import asyncio
import json

import pytest

from discovery.clients.errors import TransientError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.watching import spread
from tests.clients.conftest import Asked, Clock, ScriptedServer, Then
from tests.clients.kube.followers import (
    Remembering,
    error,
    event,
    follow,
    page,
    until,
    versions,
)


@pytest.fixture
def seen() -> Remembering:
    return Remembering()


async def test_a_bookmark_moves_the_version_and_is_not_handed_on(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(page("web", at="7"))
    server.say(event("BOOKMARK", "", "9"))
    server.say(b"")

    await follow(scripted, seen, clock, pauses=2)

    assert versions(server) == ["list", "7", "9"]
    assert seen.told == [("replace", "web")]


async def test_every_event_moves_the_version(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(page("web", at="7"))
    server.say(event("MODIFIED", "web", "8") + event("DELETED", "web", "9"))
    server.say(b"")

    await follow(scripted, seen, clock, pauses=2)

    assert versions(server) == ["list", "7", "9"]
    assert seen.told == [("replace", "web"), ("upsert", "web"), ("remove", "web")]


async def test_a_watch_that_lasted_is_resumed_at_once(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    def resumed(_asked: Asked) -> bytes:
        waited_before.append(list(clock.waits))
        return b"HTTP/1.1 200 OK\r\n\r\n"

    waited_before: list[list[float]] = []
    server.say(error(500), 500)
    server.say(page(at="7"))
    server.say_raw(b"HTTP/1.1 200 OK\r\n\r\n" + event("ADDED", "web", "8"), Then.WAIT)
    server.say_raw(resumed)
    following = asyncio.create_task(follow(scripted, seen, clock, pauses=2))
    await until(lambda: "web" in seen.held)
    clock.seconds += 1.0
    server.end()
    await following

    assert versions(server) == ["list", "list", "7", "8"]
    assert waited_before == [[0.8]]
    assert clock.waits == [0.8, 0.8]  # the second is that of the last watch, which ended at once


async def test_a_watch_that_ends_at_once_is_no_watch(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(page(at="7"))
    for _ in range(3):
        server.say(b"")

    watcher = await follow(scripted, seen, clock, pauses=3)

    assert versions(server) == ["list", "7", "7", "7"]
    assert clock.waits == [0.8, 1.6, 3.2]
    assert watcher.problem is None


async def test_the_pauses_double_up_to_half_a_minute(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    for _ in range(8):
        server.say(error(500), 500)

    watcher = await follow(scripted, seen, clock, pauses=8)

    assert clock.waits == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    assert isinstance(watcher.problem, TransientError)


async def test_pauses_and_the_length_of_a_watch_are_jittered(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(page(at="7"))
    server.say(b"")

    await follow(scripted, seen, clock, pauses=1, factor=0.5)

    assert clock.waits == [0.4]
    assert "timeoutSeconds=135" in server.requests[1].target


async def test_a_pause_that_the_server_asks_for_is_kept(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(error(429), 429, {"Retry-After": "11"})
    server.say(error(429), 429, {"Retry-After": "1"})

    await follow(scripted, seen, clock, pauses=2)

    assert clock.waits == [11.0, 1.6]


@pytest.mark.parametrize("as_event", [True, False])
async def test_an_expired_version_lists_anew_after_a_pause(
    scripted: KubeClient,
    server: ScriptedServer,
    seen: Remembering,
    clock: Clock,
    *,
    as_event: bool,
) -> None:
    server.say(page("a", "b", at="7"))
    if as_event:
        server.say(json.dumps({"type": "ERROR", "object": error(410)}).encode() + b"\n")
    else:
        server.say(error(410), 410)
    server.say(page("b", "c", at="9"))
    server.say(b"")

    watcher = await follow(scripted, seen, clock, pauses=2)

    assert versions(server) == ["list", "7", "list", "9"]
    assert seen.told == [("replace", "a b"), ("replace", "b c")]
    assert watcher.problem is None


def test_a_spread_is_up_to_a_fifth_to_either_side() -> None:
    times = [spread(10.0) for _ in range(1000)]

    assert 8.0 <= min(times) < 8.5
    assert 11.5 < max(times) <= 12.0
