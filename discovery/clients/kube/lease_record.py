"""What a Lease says, and who may take it when: values and decisions, without I/O or a clock.

The rules are client-go's (``tools/leaderelection``): a holder keeps the lease by changing the
record; whoever has watched the record stand still for its duration may take it. Only the watcher's
own monotonic clock counts. The times in a Lease come from other machines' clocks and are written
for people alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

JITTER: Final = 1.2
"""A waiter's pause is spread over 1 to 2.2 times half the retry period; client-go: the whole."""

_RELEASED_SECONDS: Final = 1  # the API refuses 0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a lease lasts without a renewal, all in seconds; the defaults are client-go's.

    ``renew_deadline`` is how long a leader trusts its last renewal. It is shorter than
    ``duration``, for which the others wait: between the two nobody leads, which is what makes
    clocks of different speed harmless. ``retry`` is the pause between two renewals. Raises
    ValueError where the three do not leave room for each other.
    """

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry * JITTER < self.renew_deadline < self.duration:
            raise ValueError(
                f"retry ({self.retry:g} s) times {JITTER:g} must be below the renew deadline "
                f"({self.renew_deadline:g} s), and that below the duration ({self.duration:g} s)"
            )


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The part of a Lease that the election is about. Times are text and never compared.

    ``uid`` is empty for a record that is not stored yet; ``duration`` is in seconds, None where
    the Lease says none; an empty ``holder`` means that it was released.
    """

    uid: str
    holder: str
    duration: float | None
    acquired: str
    renewed: str
    transitions: int

    @classmethod
    def of(cls, lease: Mapping[str, Any]) -> Self:
        """Read a Lease as the API server gives it, whatever it leaves out."""
        spec = lease.get("spec") or {}
        return cls(
            uid=(lease.get("metadata") or {}).get("uid") or "",
            holder=spec.get("holderIdentity") or "",
            duration=spec.get("leaseDurationSeconds"),
            acquired=spec.get("acquireTime") or "",
            renewed=spec.get("renewTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
        )


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record as one elector saw it. ``record`` is None for a Lease that is not there.

    ``since`` is the elector's monotonic time in seconds when it first saw this record, taken after
    the answer came. ``previous`` is the last holder it saw that was neither itself nor nobody, and
    that has not released the lease since. ``first`` says that it had never looked before.
    """

    record: LeaseRecord | None
    since: float
    previous: str
    first: bool

    def free_at(self, identity: str, duration: float) -> float:
        """Return from which monotonic time on the elector may take the lease.

        ``duration`` is the elector's own, for a Lease that says none. One that is not there may be
        made at any time; see :meth:`trusted`.
        """
        if self.record is None or self.record.holder in {"", identity}:
            return -math.inf
        return self.since + (self.record.duration or duration)

    def trusted(self) -> bool:
        """Tell whether whoever takes the lease may lead at once.

        A Lease that is gone was deleted by somebody, and its holder may not know yet. Nor can it be
        watched standing still: it may come and go between two looks. So the new one must have been
        held for a whole duration. Only who has never looked before takes it for one that nobody has
        made.
        """
        return self.record is not None or self.first

    def settled(self) -> Self:
        """Return what is still of interest once the lease is held: no holder came before."""
        return replace(self, previous="")


def sighted(
    before: Sighting | None, record: LeaseRecord | None, identity: str, now: float
) -> Sighting:
    """Return what an elector knows after an answer that came at ``now``.

    A record that did not change keeps the time at which it was first seen.
    """
    if before is None:
        previous = "" if record is None or record.holder == identity else record.holder
        return Sighting(record, now, previous, first=True)
    if before.record == record:
        return replace(before, first=False)
    previous = before.previous
    if record is not None and record.holder != identity:
        previous = record.holder
    return Sighting(record, now, previous, first=False)


def claimed(
    record: LeaseRecord | None, identity: str, duration: float, now: datetime
) -> dict[str, Any]:
    """Return the ``spec`` by which ``identity`` takes the lease, or renews it."""
    spec: dict[str, Any] = {
        "holderIdentity": identity,
        "leaseDurationSeconds": math.ceil(duration),
        "acquireTime": micro_time(now),
        "renewTime": micro_time(now),
        "leaseTransitions": 0,
    }
    if record is not None:
        spec["leaseTransitions"] = record.transitions + (record.holder != identity)
        if record.holder == identity and record.acquired:
            spec["acquireTime"] = record.acquired
    return spec


def released(record: LeaseRecord, now: datetime) -> dict[str, Any]:
    """Return the ``spec`` that lets the next one in at once."""
    return {
        "holderIdentity": "",
        "leaseDurationSeconds": _RELEASED_SECONDS,
        "acquireTime": micro_time(now),
        "renewTime": micro_time(now),
        "leaseTransitions": record.transitions,
    }


def micro_time(moment: datetime) -> str:
    """Return an aware time as the API's MicroTime: RFC 3339, UTC, six digits, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
