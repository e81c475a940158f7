"""The order of writes: an endpoint leaves a slice only when another acknowledged slice holds it.

An endpoint that stays wanted and changes its slice gains the new one first. Mostly an order of the
writes does that. Where slices exchange endpoints in a circle no order can: then a slice of that
circle is written twice, first with what goes beside what comes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from discovery.plan.changes import Action, Change, Changes
from discovery.plan.endpointslice import EndpointSlice, SliceEndpoint


@dataclass(frozen=True, slots=True)
class Write:
    """A slice that is to become another: from None where it is new, to None where it is to go."""

    namespace: str
    name: str
    before: EndpointSlice | None
    after: EndpointSlice | None


_Place = tuple[str, str]
"""An endpoint's name and address: what it is, whatever slice holds it."""


@dataclass(frozen=True, slots=True)
class _Traffic:
    """What a write brings into its slice and takes out of it.

    ``moving`` are the endpoints which it takes out and which another write must bring in first;
    ``needs`` are the names of those writes.
    """

    write: Write
    joins: frozenset[_Place]
    parts: frozenset[_Place]
    moving: frozenset[_Place] = frozenset()
    needs: tuple[str, ...] = ()


def in_order(writes: Iterable[Write]) -> Changes:
    """Put the writes of one resource, one per slice, into an order that leaves no gap."""
    traffic = _traffic(writes)
    sequence, twice = _sequence({name: t.needs for name, t in traffic.items()})
    travellers = frozenset[_Place]().union(*(t.moving for t in traffic.values()))
    gains: list[Change] = []
    losses: list[Change] = []
    deletes: list[Change] = []
    finals: list[Change] = []
    for name in sequence:
        step = traffic[name]
        change = _change(step, travellers)
        if step.write.after is None:
            deletes.append(change)
        elif name in twice:
            union = _union(step, step.write.after)
            first = f"{change.reason[:-1]}, in two writes: this one holds both sides."
            final = f"{change.reason[:-1]}, in two writes: this one ends it."
            needs = tuple(sorted({*step.needs, name}))
            gains.append(replace(change, reason=first, after=union, needs=()))
            # The first write has given it another version, which its answer will tell.
            after = replace(step.write.after, resource_version="").manifest()
            finals.append(replace(change, reason=final, before=union, after=after, needs=needs))
        elif step.needs or (step.parts and not step.joins):
            losses.append(change)
        else:
            gains.append(change)
    gains.sort(key=_place_in_phase)
    deletes.sort(key=_place_in_phase)
    return Changes(tuple(gains), (*losses, *finals), tuple(deletes))


def _place_in_phase(change: Change) -> tuple[bool, str]:
    return change.action is not Action.CREATE, change.name


def _traffic(writes: Iterable[Write]) -> dict[str, _Traffic]:
    by_name: dict[str, _Traffic] = {}
    bringers: dict[_Place, list[EndpointSlice]] = {}
    for write in sorted(writes, key=lambda w: w.name):
        old, new = _places(write.before), _places(write.after)
        by_name[write.name] = _Traffic(write, frozenset(new - old), frozenset(old - new))
        if write.after is not None:
            for place in new - old:
                bringers.setdefault(place, []).append(write.after)
    for name, step in by_name.items():
        if step.write.before is not None and step.parts:
            needed = _needed(step.write.before, step.parts, bringers)
            names = {slice_name for found in needed.values() for slice_name in found}
            by_name[name] = replace(step, moving=frozenset(needed), needs=tuple(sorted(names)))
    return by_name


def _places(held: EndpointSlice | None) -> set[_Place]:
    return set() if held is None else {(e.name, e.address) for e in held.endpoints}


def _needed(
    held: EndpointSlice, parts: Iterable[_Place], bringers: Mapping[_Place, list[EndpointSlice]]
) -> dict[_Place, list[str]]:
    """Map the endpoints that leave a slice but stay wanted to the slices that take them on.

    Only a slice with one of the same port names counts: a port is what a client asks for.
    """
    port_names = {port.name for port in held.ports}
    needed = {}
    for place in parts:
        found = [
            taker.name
            for taker in bringers.get(place, ())
            if any(port.name in port_names for port in taker.ports)
        ]
        if found:
            needed[place] = found
    return needed


def _sequence(needs: Mapping[str, Sequence[str]]) -> tuple[list[str], set[str]]:
    """Order the names so that each comes after those it needs; say which must be written twice.

    The first of two writes only adds and needs nothing, which opens the circle.
    """
    twice: set[str] = set()
    while True:
        graph = {name: () if name in twice else needs[name] for name in needs}
        try:
            return list(TopologicalSorter(graph).static_order()), twice
        except CycleError as error:
            twice.add(min(error.args[1]))


def _change(step: _Traffic, travellers: frozenset[_Place]) -> Change:
    before, after = step.write.before, step.write.after
    if after is None:
        action = Action.DELETE
    elif before is None:
        action = Action.CREATE
    else:
        action = Action.UPDATE
    return Change(
        action=action,
        kind="EndpointSlice",
        namespace=step.write.namespace,
        name=step.write.name,
        reason=_reason(step, travellers),
        before=before.manifest() if before else None,
        after=after.manifest() if after else None,
        needs=step.needs,
    )


def _union(step: _Traffic, after: EndpointSlice) -> dict[str, Any]:
    """Return the slice with what it is to hold beside what it is to hand over."""
    old = _by_place(step.write.before)
    both = (*after.endpoints, *(old[place] for place in step.moving))
    return replace(after, endpoints=tuple(sorted(both))).manifest()


def _reason(step: _Traffic, travellers: frozenset[_Place]) -> str:
    """Count what a write does to endpoints, or say what else it is for."""
    old, new = _by_place(step.write.before), _by_place(step.write.after)
    counts = {
        "new": len(step.joins - travellers),
        "moved in": len(step.joins & travellers),
        "moved out": len(step.moving),
        "gone": len(step.parts - step.moving),
        "changed": sum(place in new and new[place] != endpoint for place, endpoint in old.items()),
    }
    said = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    if said:
        return f"Endpoints: {said}."
    if step.write.after is None:
        return "It holds no endpoint."
    return "Labels, owner or fields of others are put right."


def _by_place(held: EndpointSlice | None) -> dict[_Place, SliceEndpoint]:
    return {} if held is None else {(e.name, e.address): e for e in held.endpoints}
