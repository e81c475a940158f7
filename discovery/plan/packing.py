"""Packing: which slice of a group holds which endpoint, with the fewest writes.

The rules are those of the Kubernetes EndpointSlice controller (``reconcileByPortMapping``), made
deterministic, plus the free merge: among slices that are written anyway, the smallest give their
endpoints to the room of the others and go. An endpoint that may stay where it is, and any slice
that need not be written, is left alone.

Names and packing are a promise: a version that packed differently would rewrite every slice of a
cluster on upgrade.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from discovery.plan.endpointslice import EndpointSlice, SliceEndpoint

CAPACITY = 100
"""Endpoints per slice, the default of Kubernetes' own controller: a flip rewrites one slice."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How the slices of one group are to be written.

    ``contents`` has the slices to write, by name, and no other; an empty one is to be deleted.
    ``added`` are the contents of slices that are to be created.
    """

    contents: dict[str, tuple[SliceEndpoint, ...]]
    added: tuple[tuple[SliceEndpoint, ...], ...]


def pack(
    current: Sequence[EndpointSlice], wanted: Sequence[SliceEndpoint], stale: Collection[str]
) -> Packing:
    """Spread ``wanted``, sorted and unique by name and address, over the slices of one group.

    ``stale`` names the slices that must be written whatever they hold. The order of ``current`` is
    irrelevant.
    """
    waiting = {(e.name, e.address): e for e in wanted}
    touched: dict[str, list[SliceEndpoint]] = {}
    resting: dict[str, list[SliceEndpoint]] = {}
    for held in sorted(current, key=_walk_order):
        kept, changed = _claim(held, waiting)
        (touched if changed or held.name in stale else resting)[held.name] = kept
    arriving = list(waiting.values())
    added: list[list[SliceEndpoint]] = []
    if len(arriving) <= sum(CAPACITY - len(kept) for kept in touched.values()):
        _merge(touched, arriving)
    else:
        _fill(touched, _fullest_first(touched), arriving)
        added = _spill(touched, resting, arriving)
    return Packing(
        {name: tuple(sorted(touched[name])) for name in sorted(touched)},
        tuple(tuple(content) for content in added),
    )


def _walk_order(held: EndpointSlice) -> tuple[bool, int, str]:
    """Of two slices that hold the same endpoint the fuller one keeps it, unless it is too full."""
    size = len(held.endpoints)
    return size > CAPACITY, -size, held.name


def _claim(
    held: EndpointSlice, waiting: dict[tuple[str, str], SliceEndpoint]
) -> tuple[list[SliceEndpoint], bool]:
    """Take from ``waiting`` what a slice holds already; tell whether the slice must be written."""
    kept: list[SliceEndpoint] = []
    changed = not held.endpoints  # an empty slice is filled or deleted
    for endpoint in held.endpoints:
        key = (endpoint.name, endpoint.address)
        new = waiting.get(key) if len(kept) < CAPACITY else None
        if new is None:
            changed = True
            continue
        del waiting[key]
        changed = changed or new != endpoint
        kept.append(new)
    return kept, changed


def _fullest_first(touched: dict[str, list[SliceEndpoint]]) -> list[str]:
    return sorted(touched, key=lambda name: (-len(touched[name]), name))


def _merge(touched: dict[str, list[SliceEndpoint]], arriving: list[SliceEndpoint]) -> None:
    """Fit everything into as few of the touched slices as can hold it, all but one of them full.

    The smallest give: those that are not needed everything, the last one that is as much as still
    finds room, so that the room that is left is in one piece and the next arrivals fit.
    """
    total = len(arriving) + sum(len(kept) for kept in touched.values())
    order = _fullest_first(touched)
    needed = -(-total // CAPACITY)
    for name in order[needed:]:
        arriving += touched[name]
        touched[name] = []
    for last in order[needed - 1 : needed]:
        room = sum(CAPACITY - len(touched[name]) for name in order[: needed - 1])
        given = max(0, room - len(arriving))
        touched[last], rest = touched[last][given:], touched[last][:given]
        arriving += rest
    arriving.sort()
    _fill(touched, order[:needed], arriving)


def _fill(
    touched: dict[str, list[SliceEndpoint]], order: Iterable[str], arriving: list[SliceEndpoint]
) -> None:
    """Move from the front of ``arriving`` into the slices, one after the other, what fits."""
    taken = 0
    for name in order:
        room = CAPACITY - len(touched[name])
        touched[name] += arriving[taken : taken + room]
        taken += room
    del arriving[:taken]


def _spill(
    touched: dict[str, list[SliceEndpoint]],
    resting: dict[str, list[SliceEndpoint]],
    arriving: list[SliceEndpoint],
) -> list[list[SliceEndpoint]]:
    """Place what did not fit: in new slices, the last part in one resting slice if one has room.

    Never in several resting slices: one create costs less than two updates.
    """
    full = len(arriving) - len(arriving) % CAPACITY
    added = [arriving[start : start + CAPACITY] for start in range(0, full, CAPACITY)]
    rest = arriving[full:]
    fits = [name for name, kept in resting.items() if len(kept) + len(rest) <= CAPACITY]
    if rest and fits:
        tightest = min(fits, key=lambda name: (-len(resting[name]), name))
        touched[tightest] = resting[tightest] + rest
    elif rest:
        added.append(rest)
    return added
