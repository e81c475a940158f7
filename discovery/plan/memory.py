"""The guard's memory: what waits, and what has been seen of it, as ``status.removal`` keeps it.

It is written before it counts, so that a restart, a new leader and a scheduled run continue from
it: none forgets a removal, none hastens it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from discovery.plan.evidence import Evidence
from discovery.plan.losses import Loss, RemovalCause
from discovery.v1alpha1_status import RemovalStatus, RemovedEndpoints, WaitingRemovals

MAX_NAMES: Final = 256
MAX_BATCHES: Final = 64
MAX_NODES: Final = 1000
"""Nodes of one batch: more of a kind are several."""
MAX_REMOVED: Final = 128
ONCE_WITHIN: Final = 0.8
"""The part of a poll interval within which lists count once; polls are jittered by a tenth."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What has been seen of one loss."""

    loss: Loss
    since: datetime
    confirmations: int
    confirmed: bool

    def is_due(self, last_list: datetime, confirmations: int, interval: timedelta) -> bool:
        """Tell whether enough lists lacked it, over a long enough time."""
        spanned = last_list - self.since >= (confirmations - 1) * interval
        return self.confirmations >= confirmations and spanned


@dataclass(frozen=True, slots=True)
class Waits:
    """All losses of a resource that wait, and the list that last counted."""

    waits: tuple[Wait, ...]
    last_list: datetime

    def due(self, confirmations: int, interval: timedelta) -> frozenset[str]:
        """Return the nodes that enough lists have lacked."""
        return frozenset(
            w.loss.node_id for w in self.waits if w.is_due(self.last_list, confirmations, interval)
        )

    def of(self, nodes: Collection[str]) -> "Waits":
        """Return what is known of these nodes only."""
        return replace(self, waits=tuple(w for w in self.waits if w.loss.node_id in nodes))


def plan_hash(nodes: Iterable[str]) -> str:
    """Return the name of a set of removals: the nodes decide it, their order does not."""
    return sha256("\n".join(sorted(nodes)).encode()).hexdigest()[:12]


def known_nodes(memory: RemovalStatus) -> frozenset[str]:
    """Return the nodes that wait."""
    return frozenset(node for batch in memory.waiting for node in batch.nodes)


def counted(
    found: Iterable[Loss],
    memory: RemovalStatus,
    evidence: Evidence,
    fetched_at: datetime,
    confirmations: int,
    confirmed: Collection[str],
) -> Waits:
    """Take a list's word on each loss into what was known of it.

    Lists within one interval count once, and none counts that could not be read in full. Where
    enough have been counted nothing moves any more, so that a long wait is not written each time.
    """
    before = {node: batch for batch in memory.waiting for node in batch.nodes}
    last = memory.last_list
    is_next = last is None or fetched_at - last >= ONCE_WITHIN * evidence.interval
    counts = evidence.counts and is_next
    waits = []
    for loss in found:
        batch = before.get(loss.node_id)
        if batch is None:
            first = 1 if evidence.counts else 0
            waits.append(Wait(loss, fetched_at, first, loss.node_id in confirmed))
            continue
        # A device that is there may look different by now; one that is gone stays gone.
        stands = batch.confirmed and batch.cause == loss.cause == RemovalCause.ABSENT
        waits.append(
            Wait(
                loss,
                batch.since,
                min(batch.confirmations + counts, confirmations),
                stands or loss.node_id in confirmed,
            )
        )
    reached = last if last is not None and not counts else fetched_at
    known = Waits(tuple(waits), last or fetched_at)
    if last is not None and len(known.due(confirmations, evidence.interval)) == len(waits):
        return known
    return replace(known, last_list=reached)


def remembered(
    waits: Waits, plan: str, removed: tuple[RemovedEndpoints, ...], spent: str
) -> RemovalStatus | None:
    """Return what status is to keep; None where there is nothing to remember."""
    if not (waits.waits or removed or spent):
        return None
    names = sorted(w.loss.name for w in waits.waits)
    return RemovalStatus(
        since=min((w.since for w in waits.waits), default=None),
        confirmations=min((w.confirmations for w in waits.waits), default=0),
        last_list=waits.last_list if waits.waits else None,
        plan=plan,
        names=tuple(names[:MAX_NAMES]),
        total=len(names),
        waiting=_batches(waits.waits),
        removed=removed[-MAX_REMOVED:],
        spent=spent,
    )


_Kind = tuple[datetime, RemovalCause, int, bool]


def _batches(waits: Iterable[Wait]) -> tuple[WaitingRemovals, ...]:
    """Put together what is known alike; too many are joined by what is known of the least."""
    found: dict[_Kind, list[str]] = {}
    for wait in waits:
        kind = (wait.since, wait.loss.cause, wait.confirmations, wait.confirmed)
        found.setdefault(kind, []).append(wait.loss.node_id)
    batches = sorted(found.items())
    while len(batches) > MAX_BATCHES:
        (one, nodes), (other, more) = batches.pop(), batches.pop()
        least = (one[0], one[1], min(one[2], other[2]), one[3] and other[3])
        batches.append((least, nodes + more))
    found_batches = (
        WaitingRemovals(
            cause=cause.value,
            since=since,
            confirmations=confirmations,
            confirmed=confirmed,
            nodes=some,
        )
        for (since, cause, confirmations, confirmed), nodes in batches
        for some in in_parts(nodes)
    )
    return tuple(found_batches)[:MAX_BATCHES]


def in_parts(nodes: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Return the nodes, sorted, in parts that a list of status can hold."""
    ordered = tuple(sorted(nodes))
    return (ordered[at : at + MAX_NODES] for at in range(0, len(ordered), MAX_NODES))


def recent(
    memory: RemovalStatus, since: datetime, still_there: Mapping[str, object]
) -> tuple[RemovedEndpoints, ...]:
    """Return the removals that the budget still counts: those after ``since`` that happened."""
    found = []
    for entry in memory.removed:
        nodes = tuple(node for node in entry.nodes if node not in still_there)
        if entry.at > since and nodes:
            found.append(entry.model_copy(update={"nodes": nodes}))
    return tuple(found)
