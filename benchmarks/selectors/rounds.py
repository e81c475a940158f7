"""Rounds: both sides in turn, on the same data, with answers that must be equal."""

import gc
import hashlib
import json
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tagselectors import TagIndex

from .peer import Matcher, Peer, State
from .workload import Workload, generate, peer_form

_UPDATES_IN_A_ROW = 120  # of 1 % each: enough for one compaction
_SAMPLE = 40  # resources that the peers match where all would take minutes
_MOST_PAIRS = 20_000_000


class MismatchError(Exception):
    """Two sides found different devices, so that their times say nothing."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many devices and resources; ``sample`` of these are given to the peers, then scaled."""

    devices: int
    resources: int

    @property
    def sample(self) -> int:
        """How many resources the peers match."""
        small = self.devices * self.resources <= _MOST_PAIRS
        return self.resources if small else _SAMPLE

    @property
    def scale(self) -> float:
        """What the peers' times are multiplied by."""
        return self.resources / self.sample

    def __str__(self) -> str:
        return f"{self.devices:,} devices x {self.resources:,} resources"


@dataclass(slots=True)
class Times:
    """CPU seconds per round, one list per thing measured; the peers' already scaled."""

    compile: list[float] = field(default_factory=list)
    full: list[float] = field(default_factory=list)
    materialise: list[float] = field(default_factory=list)
    update: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    peer_map: list[float] = field(default_factory=list)
    peer_scan: list[float] = field(default_factory=list)
    peer_scan_after: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rounds of one size gave; ``matches`` counts pairs before the change."""

    size: Size
    matches: int
    times: Times


Index = TagIndex[int, int]


def measure(size: Size, rounds: int) -> Measured:
    """Run the rounds of one size. Raises MismatchError where the sides disagree."""
    workload = generate(size.devices, size.resources)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "workload.json")
        file.write_text(json.dumps(peer_form(workload)), encoding="ascii")
        times = Times()
        with Peer(file) as peer:
            for _ in range(rounds):
                matches = _round(size, workload, peer, times)
    return Measured(size, matches, times)


def _round(size: Size, workload: Workload, peer: Peer, times: Times) -> int:
    made: list[Index] = []
    times.compile.append(_cpu(lambda: made.append(TagIndex(workload.resources))))
    index = made[0]
    times.full.append(_cpu(lambda: index.load(workload.tags)))
    times.peer_map.append(_peer(size, index, peer, "map", "before"))
    times.materialise.append(_cpu(lambda: list(map(index.matches, workload.resources))))
    times.peer_scan.append(_peer(size, index, peer, "scan", "before"))
    matches = sum(map(index.count, workload.resources))
    times.update.append(_cpu(lambda: index.update(workload.changed)))
    times.peer_scan_after.append(_peer(size, index, peer, "scan", "after"))
    times.updates.append(_updates_in_a_row(index, workload))
    return matches


def _updates_in_a_row(index: Index, workload: Workload) -> float:
    """Return the mean over so many changes to and fro that the index compacts itself once."""
    before = {device: workload.tags[device] for device in workload.changed}
    total = 0.0
    for number in range(_UPDATES_IN_A_ROW):
        tags = workload.changed if number % 2 else before
        start = time.process_time()
        index.update(tags)
        total += time.process_time() - start
    return total / _UPDATES_IN_A_ROW


def _peer(size: Size, index: Index, peer: Peer, matcher: Matcher, state: State) -> float:
    answer = peer.ask(matcher, state, size.sample)
    ours = _digest(index, range(size.sample))
    if (answer.matches, answer.digest) != ours:
        raise MismatchError(
            f"{size}: the Go peer {matcher!r} found {answer.matches} matches {state} the change,"
            f" the index {ours[0]}, or other devices"
        )
    return answer.cpu * size.scale


def _digest(index: Index, resources: Iterable[int]) -> tuple[int, str]:
    """Return the number of matches and the digest that the peers compute too."""
    digest = hashlib.sha256()
    total = 0
    for resource in resources:
        devices = sorted(index.matches(resource))
        digest.update(array("I", [len(devices), *devices]).tobytes())
        total += len(devices)
    return total, digest.hexdigest()


def _cpu(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start
