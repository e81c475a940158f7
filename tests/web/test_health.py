import asyncio

import httpx
import pytest

from discovery.web.health import Heartbeat
from discovery.web.serving import Served
from tests.web.conftest import State


async def test_healthz_is_ok(served: Served, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{served.health}/healthz")

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_healthz_fails_when_the_main_task_has_ended(
    served: Served, http: httpx.AsyncClient, state: State
) -> None:
    state.alive = "the controller has ended"

    answer = await http.get(f"{served.health}/healthz")

    assert (answer.status_code, answer.text) == (503, "the controller has ended\n")


async def test_healthz_fails_when_the_loop_turns_too_seldom(
    served: Served, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discovery.web.health._LATE", 0)

    answer = await http.get(f"{served.health}/healthz")

    assert (answer.status_code, answer.text) == (503, "the event loop did not turn for 0 s\n")


async def test_healthz_does_not_ask_whether_it_is_ready(
    served: Served, http: httpx.AsyncClient, state: State
) -> None:
    state.caches = "tailscaleendpoints not listed yet"

    assert (await http.get(f"{served.health}/healthz")).status_code == 200


async def test_readyz_is_ok(served: Served, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{served.health}/readyz")

    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_readyz_has_one_line_for_each_condition_that_is_not_met(
    served: Served, http: httpx.AsyncClient, state: State
) -> None:
    state.caches = "tailscaleendpoints not listed yet"
    state.cluster = "no answer for 6 min"

    answer = await http.get(f"{served.health}/readyz")

    assert answer.status_code == 503
    assert answer.text == (
        "caches: tailscaleendpoints not listed yet\ncluster: no answer for 6 min\n"
    )


async def test_readyz_is_asked_anew_each_time(
    served: Served, http: httpx.AsyncClient, state: State
) -> None:
    state.caches = "services not listed yet"
    before = await http.get(f"{served.health}/readyz")
    state.caches = None
    after = await http.get(f"{served.health}/readyz")

    assert (before.status_code, after.status_code) == (503, 200)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_cache_never_answers_in_our_place(
    served: Served, http: httpx.AsyncClient, path: str
) -> None:
    assert (await http.get(f"{served.health}{path}")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_head_is_answered_without_a_body(
    served: Served, http: httpx.AsyncClient, path: str
) -> None:
    answer = await http.head(f"{served.health}{path}")

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/", "/healthz/", "/metrics", "/healthz/x"])
async def test_another_path_is_refused_in_one_line(
    served: Served, http: httpx.AsyncClient, path: str
) -> None:
    answer = await http.get(f"{served.health}{path}")

    assert answer.status_code == 404
    assert answer.text == "There is no such path here; there are /healthz, /readyz.\n"


async def test_another_method_is_refused(served: Served, http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{served.health}/healthz")

    assert (answer.status_code, answer.text) == (405, "Only GET and HEAD are answered.\n")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("age", "said"), [(14.0, None), (15.0, "the event loop did not turn for 15 s")]
)
def test_a_heartbeat_is_young_for_fifteen_seconds(age: float, said: str | None) -> None:
    now = [100.0]
    heartbeat = Heartbeat(lambda: now[0])
    now[0] += age

    assert heartbeat.check() == said


async def test_a_heartbeat_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discovery.web.health._BEAT", 0)
    now = [100.0]
    heartbeat = Heartbeat(lambda: now[0])
    beating = asyncio.create_task(heartbeat.beat())
    for _ in range(3):
        now[0] += 60
        await asyncio.sleep(0)

        assert heartbeat.check() is None
    beating.cancel()
