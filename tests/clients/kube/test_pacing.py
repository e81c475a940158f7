"""When a watcher lists, watches and waits: scripted answers, and a clock of the test's own."""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.clients.errors import MalformedAnswerError, RejectedError, TransientError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.resources import SERVICES
from discovery.clients.kube.watching import Watcher, spread
from tests.clients.conftest import Asked, Clock, ScriptedServer, Then
from tests.clients.kube.followers import Remembering, running, until


class Enough(Exception):  # noqa: N818 - it is no failure
    """The test has seen what it wanted."""


@pytest.fixture
def seen() -> Remembering:
    return Remembering()


def page(*names: str, at: str = "7") -> dict[str, Any]:
    items = [{"metadata": {"name": name, "resourceVersion": at}} for name in names]
    return {"metadata": {"resourceVersion": at}, "items": items}


def event(change: str, name: str = "web", version: str = "5") -> bytes:
    obj = {"metadata": {"name": name, "resourceVersion": version}}
    return json.dumps({"type": change, "object": obj}).encode() + b"\n"


def error(code: int) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "message": f"said {code}"}


def versions(server: ScriptedServer) -> list[str]:
    """Return what was asked for: ``list``, or the version that a watch was to begin from."""
    asked = []
    for request in server.requests:
        query = dict(part.split("=") for part in request.target.partition("?")[2].split("&"))
        asked.append(query.get("resourceVersion", "list"))
    return asked


async def follow(
    client: KubeClient, seen: Remembering, clock: Clock, pauses: int, factor: float = 1.0
) -> Watcher[Any]:
    """Follow until it has paused so often."""

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        if len(clock.waits) == pauses:
            raise Enough

    watcher = Watcher(
        client,
        SERVICES,
        seen,
        jitter=lambda seconds: seconds * factor,
        monotonic=clock.monotonic,
        sleep=sleep,
    )
    with pytest.raises(Enough):
        await watcher.run()
    return watcher


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


@pytest.mark.parametrize("code", [401, 403, 404, 400, 500, 502])
async def test_a_list_that_fails_changes_nothing(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock, code: int
) -> None:
    server.say(page("web", at="7"))
    server.say(error(410), 410)
    server.say(error(code), code)

    watcher = await follow(scripted, seen, clock, pauses=2)

    assert seen.told == [("replace", "web")]
    assert watcher.synced.is_set()
    assert watcher.problem is not None
    assert watcher.problem.status == code


async def test_half_a_list_changes_nothing(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    first = page("a")
    first["metadata"]["continue"] = "more"
    server.say(first)
    server.say(error(403), 403)

    watcher = await follow(scripted, seen, clock, pauses=1)

    assert seen.told == []
    assert not watcher.synced.is_set()


@pytest.mark.parametrize("code", [403, 429, 502])
async def test_a_watch_that_could_not_be_had_is_preceded_by_a_list(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock, code: int
) -> None:
    server.say(page(at="7"))
    server.say(error(code), code)
    server.say(page("web", at="3"))  # restored from a backup
    server.say(b"")

    await follow(scripted, seen, clock, pauses=2)

    assert versions(server) == ["list", "7", "list", "3"]
    assert seen.held == {"web": "3"}


async def test_a_stream_that_makes_no_sense_is_listed_anew(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(page(at="7"))
    server.say(event("ADDED", "web", "8") + b"<html>\n")
    server.say(page("web", at="9"))

    watcher = await follow(scripted, seen, clock, pauses=1)

    assert seen.told == [("replace", ""), ("upsert", "web")]
    assert isinstance(watcher.problem, MalformedAnswerError)
    await follow(scripted, seen, Clock(), pauses=1)
    assert versions(server)[2] == "list"


async def test_one_line_is_logged_for_each_new_problem_and_one_for_its_end(
    scripted: KubeClient,
    server: ScriptedServer,
    seen: Remembering,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="discovery.clients.kube.watching")
    for code in (403, 403, 503, 503):
        server.say(error(code), code)
    server.say(page(at="7"))
    server.say(b"")

    await follow(scripted, seen, clock, pauses=5)

    told = [(record.message, record.__dict__.get("problem")) for record in caplog.records]
    where = "GET /api/v1/services"
    assert told == [
        ("cluster not followed", f"said 403 ({where}, HTTP 403)"),
        ("cluster not followed", f"said 503 ({where}, HTTP 503)"),
        ("cluster followed again", None),
    ]


async def test_the_problem_is_the_latest_failure(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(error(403), 403)
    server.say(error(400), 400)

    watcher = await follow(scripted, seen, clock, pauses=2)

    assert isinstance(watcher.problem, RejectedError)


async def test_activity_is_when_the_server_last_said_something(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(error(500), 500)
    server.say(page(at="7"))
    server.say(error(500), 500)
    server.say(error(500), 500)
    began = clock.monotonic()
    at: list[float] = []

    async def sleep(seconds: float) -> None:
        at.append(watcher.last_activity - began)
        await clock.sleep(seconds)
        if len(at) == 3:
            raise Enough

    watcher = Watcher(
        scripted, SERVICES, seen, jitter=float, monotonic=clock.monotonic, sleep=sleep
    )
    with pytest.raises(Enough):
        await watcher.run()

    assert at == pytest.approx([0, 0.8, 0.8])


async def test_each_event_and_bookmark_is_activity(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(page(at="7"))
    server.say_raw(b"HTTP/1.1 200 OK\r\n\r\n" + event("BOOKMARK", "", "9"), Then.WAIT)
    watcher = Watcher(scripted, SERVICES, seen, monotonic=clock.monotonic, sleep=clock.sleep)
    heard = watcher._well

    def opened_long_ago() -> None:
        heard()
        clock.seconds += 50

    watcher._well = opened_long_ago  # type: ignore[method-assign]
    async with running(watcher):
        await until(lambda: watcher._version == "9")

        assert watcher.last_activity == 1050.0


async def test_a_list_is_not_repeated_by_itself(
    scripted: KubeClient, server: ScriptedServer, seen: Remembering, clock: Clock
) -> None:
    server.say(error(500), 500)

    await follow(scripted, seen, clock, pauses=1)

    assert len(server.requests) == 1


@given(st.floats(0.1, 1000))
def test_a_spread_is_a_fifth_to_either_side(seconds: float) -> None:
    assert 0.8 * seconds <= spread(seconds) <= 1.2 * seconds
