"""Leader election by a Lease: at any moment at most one elector believes that it leads.

The rules are those of :mod:`discovery.clients.kube.lease_record`. A leader trusts a renewal for the
renew deadline, counted from before the request was sent; the others wait for the longer duration,
counted from after they saw the record. Whatever goes wrong counts as a renewal that failed: time
passes, and leadership ends by itself. A Lease fences nothing, so that every write asks
:meth:`Elector.valid` just before it is sent.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from discovery.clients.errors import AuthError, ConflictError, TransientError, one_line
from discovery.clients.kube.lease_record import (
    JITTER,
    LeaseRecord,
    Sighting,
    Timing,
    claimed,
    released,
    sighted,
)
from discovery.clients.kube.lease_requests import LeaseRequests, StoredLease

__all__ = ["Elector", "LeadershipLostError", "LeaseRequests", "Timing"]

log = logging.getLogger(__name__)

_RELEASE_ATTEMPTS: Final = 3  # a renewal that was under way may be faster, once


class LeadershipLostError(Exception):
    """Somebody else may lead now. The text says why, in one line."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _spread(seconds: float) -> float:
    return seconds * (1 + JITTER * random.random())  # noqa: S311 - no secret


@dataclass(eq=False, repr=False)
class Elector:
    """One candidate for one Lease. Its methods are not to be called at the same time.

    ``identity`` must be new for every start of the program. ``monotonic`` counts seconds and is the
    only clock that decides; ``now`` returns aware times for people; ``jitter`` spreads a waiter's
    pause.
    """

    client: LeaseRequests
    namespace: str
    name: str
    identity: str
    timing: Timing = Timing()  # noqa: RUF009 - frozen
    monotonic: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    now: Callable[[], datetime] = field(default=_utc_now, kw_only=True)
    sleep: Callable[[float], Awaitable[Any]] = field(default=asyncio.sleep, kw_only=True)
    jitter: Callable[[float], float] = field(default=_spread, kw_only=True)
    acquired_at: float = field(default=-math.inf, init=False)
    """When the lease was last acquired, in seconds of ``monotonic``, after the answer came."""
    takeover: bool = field(default=False, init=False)
    """Whether the lease was taken from a holder that had not released it."""
    _valid_from: float = field(default=-math.inf, init=False)  # inf: to be set when it is known
    _valid_until: float = field(default=-math.inf, init=False)
    _sighting: Sighting | None = field(default=None, init=False)
    _failure: Exception | None = field(default=None, init=False)
    _waiting_for: str = field(default="", init=False)

    @property
    def holder(self) -> str:
        """Who held the lease when it was last looked at; empty for nobody."""
        record = self._sighting.record if self._sighting else None
        return record.holder if record else ""

    def valid(self) -> bool:
        """Tell whether this elector leads at this moment, whatever its other methods are doing."""
        return self._valid_from <= self.monotonic() < self._valid_until

    def is_alone(self) -> bool:
        """Tell whether a leader from which the lease was taken must have noticed by now."""
        return not self.takeover or self.monotonic() - self.acquired_at > self.timing.duration

    async def acquire(self, within: float | None = None) -> bool:
        """Wait until the lease is held, and return True; after ``within`` seconds return False.

        The seconds count from the first answer, so that a wait of one duration is long enough to
        outlive a holder that is dead. Where the last attempt did not get an answer at all, its
        error (APIError) is raised instead of False: nobody is known to hold the lease.
        """
        patience = math.inf if within is None else within
        ends = self.monotonic() + patience
        seen = False
        while True:
            begun = self.monotonic()
            if await self._try("lease not acquired", self._attempt_limit):
                self._acquired()
                return True
            if self._failure is None:
                self._wait_for_holder()
                ends = ends if seen else self.monotonic() + patience
                seen = True
            if begun >= ends and not isinstance(self._failure, ConflictError):
                if self._failure is not None:
                    raise self._failure
                return False
            await self.sleep(self._pause(ends))

    async def hold(self) -> None:
        """Renew the lease for ever. Raises LeadershipLostError as soon as that has failed."""
        while (left := self._valid_until - self.monotonic()) > 0:
            await self.sleep(min(self.timing.retry, left))
            left = self._valid_until - self.monotonic()
            if left > 0:
                await self._try("lease not renewed", min(self._attempt_limit, left))
        why = self._why_lost()
        log.error("leadership lost", extra={"lease": self._stored.place, "problem": why})
        raise LeadershipLostError(f"leadership lost: {why} (lease {self._stored.place})")

    async def release(self) -> None:
        """Stop leading and let the next one in at once, if the lease is still ours. Never raises.

        To be called when nothing is written any more.
        """
        self._valid_until = -math.inf
        if self._sighting is None and self._failure is None:
            return
        try:
            done = await self._bounded(self._give_up(), self._attempt_limit)
        except Exception as error:  # noqa: BLE001 - the lease then runs out by itself
            extra = {"lease": self._stored.place, "problem": _text(error)}
            log.warning("lease not released", extra=extra)
            return
        if done:
            log.info("lease released", extra={"lease": self._stored.place})

    @property
    def _attempt_limit(self) -> float:
        """Seconds for one attempt: a connection that hangs leaves time for another."""
        return self.timing.renew_deadline / 2

    @property
    def _stored(self) -> StoredLease:
        return StoredLease(self.client, self.namespace, self.name)

    async def _try(self, complaint: str, limit: float) -> bool:
        """Return whether the lease is held now; ``_failure`` tells why that could not be learnt."""
        try:
            held = await self._bounded(self._attempt(limit), limit)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease was not renewed
            if self._failure is None or _text(self._failure) != _text(error):
                extra = {"lease": self._stored.place, "problem": _text(error)}
                log.log(_severity(error), complaint, extra=extra)
            self._failure = error
            return False
        self._failure = None
        return held

    async def _bounded(self, work: Awaitable[bool], limit: float) -> bool:
        try:
            async with asyncio.timeout(limit):
                return await work
        except TimeoutError as exc:
            where = f"lease {self._stored.place}"
            raise TransientError(f"no answer within {limit:g} s", where=where) from exc

    async def _attempt(self, limit: float) -> bool:
        """Look at the lease, and take or renew it where that is allowed."""
        lease = await self._stored.read(limit)
        record = None if lease is None else LeaseRecord.of(lease)
        seen = self._sighting = sighted(self._sighting, record, self.identity, self.monotonic())
        if self.monotonic() < seen.free_at(self.identity, self.timing.duration):
            self._valid_until = -math.inf
            return False
        if record is None and not (self.valid() or seen.trusted()):
            self._valid_from = math.inf
        if record is not None and record.holder != self.identity:
            self._valid_from = -math.inf
        begun = self.monotonic()
        spec = claimed(record, self.identity, self.timing.duration, self.now())
        answer = await self._stored.write(lease, spec, limit)
        self._valid_until = begun + self.timing.renew_deadline
        if self._valid_from == math.inf:
            self._valid_from = self.monotonic() + self.timing.duration
        self._sighting = sighted(seen, LeaseRecord.of(answer), self.identity, self.monotonic())
        return self.valid()

    async def _give_up(self) -> bool:
        for attempt in range(1, _RELEASE_ATTEMPTS + 1):
            lease = await self._stored.read(self._attempt_limit)
            record = None if lease is None else LeaseRecord.of(lease)
            if record is None or record.holder != self.identity:
                return False
            try:
                await self._stored.write(lease, released(record, self.now()), self._attempt_limit)
            except ConflictError:
                if attempt == _RELEASE_ATTEMPTS:
                    raise
            else:
                break
        return True

    def _acquired(self) -> None:
        self.acquired_at = self.monotonic()
        previous = ""
        if self._sighting is not None:
            previous, self._sighting = self._sighting.previous, self._sighting.settled()
        self.takeover = bool(previous)
        self._waiting_for = ""
        extra = {"lease": self._stored.place, "identity": self.identity, "previous": previous}
        log.info("lease acquired", extra=extra)

    def _wait_for_holder(self) -> None:
        if self.holder not in {self._waiting_for, self.identity}:
            self._waiting_for = self.holder
            log.info(
                "waiting for the lease", extra={"lease": self._stored.place, "holder": self.holder}
            )

    def _pause(self, ends: float) -> float:
        """Return how long to wait: no longer than until something may change, or than ``ends``."""
        now = self.monotonic()
        turns = [ends, self._valid_from]
        if self._sighting is not None and self._failure is None:
            turns.append(self._sighting.free_at(self.identity, self.timing.duration))
        pauses = [turn - now for turn in turns if turn > now]
        # Twice as often as a leader renews: a lease that was released is taken within 3 s.
        return max(0.0, min(self.jitter(self.timing.retry / 2), ends - now, *pauses))

    def _why_lost(self) -> str:
        if self.holder not in {"", self.identity}:
            return f"{self.holder} holds the lease"
        cause = "" if self._failure is None else f": {_text(self._failure)}"
        return f"not renewed within {self.timing.renew_deadline:g} s{cause}"


def _severity(error: Exception) -> int:
    """Return the level of a failure: losing a race is what an election is about."""
    if isinstance(error, ConflictError):
        return logging.DEBUG
    return logging.ERROR if isinstance(error, AuthError) else logging.WARNING


def _text(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__
