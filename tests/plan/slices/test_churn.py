"""Churn: how many slices a cycle writes, against the fewest that any packing could write.

Each trace is the same on every run: who leaves is drawn by hash. A slice counts as written when it
is created, updated or deleted.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address
from statistics import fmean

import pytest

from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.owner import Owner
from discovery.plan.ports import Port
from discovery.plan.slices import Desired, EndpointSlice, SliceEndpoint, desired, diff

CYCLES = 40
SIZE = 1_000
CAPACITY = 100
NOW = datetime(2026, 3, 1, tzinfo=UTC)
OWNER = Owner("default", "web", "uid-1", "web", headless=True, instance="main")
PORTS = (Port("http", 80, app_protocol="http", checked=True),)

State = dict[int, bool]  # machine -> ready


def drawn(state: State, seed: int, count: int) -> list[int]:
    return sorted(state, key=lambda machine: sha256(b"%d/%d" % (seed, machine)).digest())[:count]


def start() -> State:
    return dict.fromkeys(range(SIZE), True)


def replace() -> Iterator[State]:
    """Each cycle 1 % leave and as many others come."""
    state, number = start(), SIZE
    for cycle in range(CYCLES):
        for machine in drawn(state, cycle, SIZE // 100):
            del state[machine]
        state.update(dict.fromkeys(range(number, number + SIZE // 100), True))
        number += SIZE // 100
        yield dict(state)


def alternate() -> Iterator[State]:
    """In one cycle 2 % leave, in the next as many others come."""
    state, number = start(), SIZE
    for cycle in range(CYCLES):
        if cycle % 2 == 0:
            for machine in drawn(state, cycle, SIZE // 50):
                del state[machine]
        else:
            state.update(dict.fromkeys(range(number, number + SIZE // 50), True))
            number += SIZE // 50
        yield dict(state)


def waves(step: int = SIZE // 10) -> Iterator[State]:
    """Five cycles shrink by 10 % each, the next five grow as much."""
    state, number = start(), SIZE
    for cycle in range(CYCLES):
        if cycle % 10 < 5:
            for machine in drawn(state, cycle, step):
                del state[machine]
        else:
            state.update(dict.fromkeys(range(number, number + step), True))
            number += step
        yield dict(state)


def odd_waves() -> Iterator[State]:
    """Grow by what never fills a slice: one write a cycle leaves each new slice part-filled."""
    return waves(step=37)


def flap() -> Iterator[State]:
    """Each cycle 1 % change their health."""
    state = start()
    for cycle in range(CYCLES):
        for machine in drawn(state, cycle, SIZE // 100):
            state[machine] = not state[machine]
        yield dict(state)


def everything() -> Iterator[State]:
    """Some leave, some come and some change their health, never as many as before."""
    state, number = start(), SIZE
    for cycle in range(CYCLES):
        for machine in drawn(state, cycle, cycle * 7 % 31):
            del state[machine]
        for machine in drawn(state, -cycle, cycle * 5 % 13):
            state[machine] = not state[machine]
        coming = cycle * 11 % 29
        state.update(dict.fromkeys(range(number, number + coming), True))
        number += coming
        yield dict(state)


TRACES = {
    trace.__name__: trace for trace in (replace, alternate, waves, odd_waves, flap, everything)
}


def wanted_of(state: State) -> Desired:
    base = IPv4Address("100.64.0.0")
    endpoints = [
        Endpoint(f"m{number}", Source.TAG_SELECTOR, f"n{number}", "", (base + number,), PORTS)
        for number in state
    ]
    return desired(OWNER, endpoints, lambda address, _port: state[int(address) - int(base)])


Slices = dict[str, dict[str, bool]]  # slice -> endpoint -> ready


def members(slices: dict[str, EndpointSlice]) -> Slices:
    return {name: {e.name: e.ready for e in held.endpoints} for name, held in slices.items()}


def wanted_members(wanted: Desired) -> dict[str, bool]:
    endpoints: list[SliceEndpoint] = [e for found in wanted.groups.values() for e in found]
    return {e.name: e.ready for e in endpoints}


def fewest_writes(slices: Slices, wanted: dict[str, bool]) -> int:
    """Count slices that lose or alter an endpoint, and more for what does not fit into them."""
    held = {name for found in slices.values() for name in found}
    room = 0
    count = 0
    for found in slices.values():
        if any(wanted.get(name) is not ready for name, ready in found.items()):
            count += 1
            room += CAPACITY - sum(name in wanted for name in found)
    overflow = max(0, len(wanted.keys() - held) - room)
    return count + -(-overflow // CAPACITY)


def greedy_cycle(slices: Slices, wanted: dict[str, bool]) -> int:
    """Do one cycle as Kubernetes' own controller does, in place; return the slices written."""
    waiting = sorted(wanted.keys() - {name for found in slices.values() for name in found})
    touched = set()
    for slice_name, found in slices.items():
        if any(wanted.get(name) is not ready for name, ready in found.items()):
            touched.add(slice_name)
            slices[slice_name] = {name: wanted[name] for name in found if name in wanted}
    for slice_name in sorted(touched, key=lambda name: (-len(slices[name]), name)):
        room = CAPACITY - len(slices[slice_name])
        slices[slice_name] |= {name: wanted[name] for name in waiting[:room]}
        waiting = waiting[room:]
    while waiting:
        fits = [
            name
            for name, found in slices.items()
            if name not in touched and len(found) + len(waiting) <= CAPACITY
        ]
        target = max(fits, key=lambda name: len(slices[name]), default=f"new-{waiting[0]}")
        slices.setdefault(target, {}).update({n: wanted[n] for n in waiting[:CAPACITY]})
        touched.add(target)
        waiting = waiting[CAPACITY:]
    for slice_name in [name for name, found in slices.items() if not found]:
        del slices[slice_name]
    return len(touched)


class Run:
    """One trace, carried out by the planner and by the greedy packing side by side."""

    def __init__(self, trace: str) -> None:
        self.writes: list[int] = []
        self.bounds: list[int] = []
        self.fills: list[float] = []
        self.greedy_writes = 0
        slices: dict[str, EndpointSlice] = {}
        self._carry_out(slices, wanted_of(start()))
        greedy = members(slices)
        self.writes.clear()
        for state in TRACES[trace]():
            wanted = wanted_of(state)
            self.bounds.append(fewest_writes(members(slices), wanted_members(wanted)))
            self._carry_out(slices, wanted)
            self.fills.append(len(state) / (CAPACITY * len(slices)))
            self.greedy_writes += greedy_cycle(greedy, wanted_members(wanted))
        self.slices = len(slices)
        self.greedy_slices = len(greedy)

    def _carry_out(self, slices: dict[str, EndpointSlice], wanted: Desired) -> None:
        changes = diff(list(slices.values()), wanted, NOW)
        self.writes.append(len(changes))
        for change in changes:
            if change.after is None:
                del slices[change.name]
            else:
                slices[change.name] = EndpointSlice.parse(change.after)
        assert members(slices).keys() == slices.keys()


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return {trace: Run(trace) for trace in TRACES}


@pytest.fixture(params=sorted(TRACES))
def run(request: pytest.FixtureRequest, runs: dict[str, Run]) -> Run:
    return runs[request.param]


def test_every_cycle_writes_the_fewest_slices_possible(run: Run) -> None:
    assert run.writes == run.bounds


def test_slices_stay_full(runs: dict[str, Run]) -> None:
    fills = {trace: fmean(runs[trace].fills) for trace in ("replace", "alternate", "waves", "flap")}
    assert min(fills.values()) >= 0.97, fills


@pytest.mark.parametrize("trace", ["replace", "alternate", "waves", "odd_waves", "flap"])
def test_free_merge_costs_no_more_writes_or_slices_than_greedy_packing(
    trace: str, runs: dict[str, Run]
) -> None:
    run = runs[trace]
    assert sum(run.writes) <= run.greedy_writes
    assert run.slices <= run.greedy_slices


def test_greedy_packing_leaves_more_slices_behind_after_alternating_churn(
    runs: dict[str, Run],
) -> None:
    assert (runs["alternate"].slices, runs["alternate"].greedy_slices) == (10, 12)
