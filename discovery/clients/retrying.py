"""The one retry policy for control planes, and the clocks it goes by.

Only a :class:`~discovery.clients.errors.TransientError` is tried again, and only around calls that
change nothing when repeated: reads, and the minting of a token.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exception,
    wait_random_exponential,
)

from discovery.clients.errors import TransientError

_T = TypeVar("_T")

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 8.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call may take, repetitions included, and by which clocks.

    A wait that would end after the deadline is not begun: the error comes at once and carries the
    server's ``retry_after``. ``monotonic`` counts seconds, ``now`` is aware UTC time.
    """

    deadline: timedelta = timedelta(seconds=30)
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep

    async def call(self, attempt: Callable[[], Awaitable[_T]], *, where: str) -> _T:
        """Return what ``attempt`` returns, repeating it while it fails transiently.

        The waits are random and grow to 8 s; a pause the server asks for comes on top. The
        deadline also ends an attempt under way: a body that drips never runs into the time-outs
        of single reads. Where an earlier attempt failed, that failure says more than the deadline
        does and is raised.
        """
        failure: TransientError | None = None

        async def once() -> _T:
            # tenacity awaits only what it sees to be a coroutine function, which a lambda is not.
            nonlocal failure
            try:
                return await attempt()
            except TransientError as error:
                failure = error
                raise

        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                return await self._retrying()(once)
        except TimeoutError as exc:
            if failure is not None:
                raise failure from failure.__cause__
            seconds = f"{self.deadline.total_seconds():g} s"
            raise TransientError(f"no complete answer within {seconds}", where=where) from exc

    def _retrying(self) -> AsyncRetrying:
        ends = self.monotonic() + self.deadline.total_seconds()

        def too_late(state: RetryCallState) -> bool:
            return self.monotonic() + state.upcoming_sleep >= ends

        return AsyncRetrying(
            reraise=True,
            retry=retry_if_exception_type(TransientError),
            wait=wait_exception(_asked_pause)
            + wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            stop=too_late,
            sleep=self.sleep,
        )


def _asked_pause(error: BaseException) -> float:
    pause = error.retry_after if isinstance(error, TransientError) else None
    return 0.0 if pause is None else pause.total_seconds()
