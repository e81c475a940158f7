from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from discovery.clients.errors import APIError, MalformedAnswerError, RejectedError, TransientError
from discovery.clients.retrying import Patience

if TYPE_CHECKING:
    from tests.clients.conftest import Clock


class Failing:
    """Fails as told, one error at a time, and then succeeds."""

    def __init__(self, *errors: APIError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def transient(after: float | None = None) -> TransientError:
    pause = None if after is None else timedelta(seconds=after)
    return TransientError("busy", where="GET /x", retry_after=pause)


async def test_a_transient_failure_is_tried_again(clock: Clock) -> None:
    attempt = Failing(transient(), transient())
    assert await clock.patience().call(attempt, where="") == "done"
    assert attempt.calls == 3


async def test_waits_grow_and_never_exceed_eight_seconds(clock: Clock) -> None:
    await clock.patience(1000).call(Failing(*(transient() for _ in range(40))), where="")
    limits = [0.5, 1, 2, 4, 8]
    assert all(0 <= wait <= limit for wait, limit in zip(clock.waits, limits, strict=False))
    assert 4 < max(clock.waits) <= 8


async def test_waits_differ_between_callers(clock: Clock) -> None:
    await clock.patience(1000).call(Failing(*(transient() for _ in range(40))), where="")
    assert len(set(clock.waits)) > 30


async def test_the_pause_asked_for_is_kept_and_spread(clock: Clock) -> None:
    await clock.patience().call(Failing(transient(7)), where="")
    (wait,) = clock.waits
    assert 7 <= wait <= 7.5


async def test_a_pause_beyond_the_deadline_is_not_begun(clock: Clock) -> None:
    attempt = Failing(transient(31))
    with pytest.raises(TransientError) as caught:
        await clock.patience(30).call(attempt, where="")
    assert caught.value.retry_after == timedelta(seconds=31)
    assert (attempt.calls, clock.waits) == (1, [])


async def test_all_attempts_end_before_the_deadline(clock: Clock) -> None:
    begin = clock.seconds
    attempt = Failing(*(transient() for _ in range(1000)))
    with pytest.raises(TransientError, match="busy"):
        await clock.patience(30).call(attempt, where="")
    assert clock.seconds - begin < 30
    assert attempt.calls > 3


@pytest.mark.parametrize(
    "error", [RejectedError("no", where=""), MalformedAnswerError("what", where="")]
)
async def test_what_repeating_can_not_mend_is_not_repeated(clock: Clock, error: APIError) -> None:
    attempt = Failing(error)
    with pytest.raises(type(error)) as caught:
        await clock.patience().call(attempt, where="")
    assert caught.value is error
    assert attempt.calls == 1


async def test_an_attempt_under_way_ends_at_the_deadline(clock: Clock) -> None:
    forever = asyncio.Event()
    with pytest.raises(TransientError, match=r"no complete answer within 0\.01 s \(GET /x\)"):
        await clock.patience(0.01).call(forever.wait, where="GET /x")


async def test_what_failed_before_says_more_than_the_deadline() -> None:
    first = transient()
    forever = asyncio.Event()
    fail_once = Failing(first)

    async def attempt() -> object:
        return await fail_once() if fail_once.errors else await forever.wait()

    began = iter([0.0])
    patience = Patience(
        timedelta(seconds=0.05),
        monotonic=lambda: next(began, -60.0),  # there always seems to be time for one more
        sleep=lambda _: asyncio.sleep(0),
    )

    with pytest.raises(TransientError) as caught:
        await patience.call(attempt, where="GET /x")

    assert caught.value is first
