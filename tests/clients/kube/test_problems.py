"""What a watcher does and says of failures: scripted answers, and a clock of the test's own."""

import logging

import pytest

from discovery.clients.errors import MalformedAnswerError, RejectedError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.resources import SERVICES
from discovery.clients.kube.watching import Watcher
from tests.clients.conftest import Clock, ScriptedServer, Then
from tests.clients.kube.followers import (
    Enough,
    Remembering,
    error,
    event,
    follow,
    page,
    running,
    until,
    versions,
)


@pytest.fixture
def seen() -> Remembering:
    return Remembering()


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

    watcher = await follow(scripted, seen, clock, pauses=5)

    assert watcher.problem is None
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
