"""What was served, kept by what it says of each endpoint."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tests.chaos.served import Answer, Listing, Look
from tests.chaos.world import Selector, World

INTERVAL: Final = timedelta(seconds=60)
CONFIRMATIONS: Final = 3
ONE_LIST_WITHIN: Final = 0.8 * INTERVAL
ROUNDED: Final = timedelta(seconds=1)
"""Status has whole seconds."""

Place = tuple[str, str]
"""A resource and a node."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt to read the list, and the truth at that moment.

    ``listing`` is None where nothing came that may be believed.
    """

    listing: Listing | None
    at: datetime
    world: World


@dataclass(slots=True)
class _Absence:
    """The lists in a row that do not show a node as an endpoint."""

    since: datetime
    first: int
    counted: list[datetime] = field(default_factory=list)


@dataclass(slots=True)
class Record:
    """What verified lists and single answers said.

    ``tagged`` are the nodes that the last verified list showed with tags, or that the slices knew
    when somebody new began to lead. ``looks`` is how a node looked when a list last showed it as an
    endpoint of a resource. ``denied`` are nodes that the last list lacks although they answered,
    ``asked_before`` those of them that had done so before the last list.
    """

    tagged: frozenset[str] = frozenset()
    looks: dict[Place, Look] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    asked_before: set[str] = field(default_factory=set)
    _shown: Mapping[str, Look] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _wanted: set[Place] = field(default_factory=set)
    _absences: dict[Place, _Absence] = field(default_factory=dict)
    _answers: dict[str, list[tuple[int, Answer]]] = field(default_factory=dict)
    _number: int = 0

    def take(self, listing: Listing, at: datetime, world: World, held: Iterable[str]) -> None:
        """Take a verified list; ``held`` are the nodes of the slices."""
        self._number += 1
        self._shown = listing.shown
        self._known |= {*listing.shown, *held}
        self._wanted = set()
        self.tagged = frozenset(node for node, look in listing.shown.items() if look.tags)
        self.denied -= listing.shown.keys()
        self.asked_before = set(self.denied)
        for name, selector in world.selectors.items():
            for node in self._known:
                look = listing.shown.get(node)
                if look is not None and look.is_wanted(selector):
                    self.looks[name, node] = look
                    self._wanted.add((name, node))
                else:
                    self._lacking(name, node, listing, at)

    def forget(self, tagged: Iterable[str]) -> None:
        """Somebody new leads, who knows of the slices and of nothing that was answered."""
        self.tagged = frozenset(tagged)
        self.denied.clear()
        self.asked_before.clear()

    def settle(self, resources: Collection[str]) -> None:
        """Passes over these resources were written: who came back in the last list begins anew.

        What a controller could not write before it died, the next one can not know.
        """
        for place in self._wanted:
            if place[0] in resources:
                self._absences.pop(place, None)

    def reselect(self, resource: str, selector: Selector) -> None:
        """Take an edit: who was left out by the old selector alone was not missing."""
        for place in [place for place in self._absences if place[0] == resource]:
            look = self._shown.get(place[1])
            if look is not None and look.is_wanted(selector):
                del self._absences[place]

    def answer(self, node: str, answer: Answer | None) -> None:
        """Take the answer of a single machine."""
        self._number += 1
        if answer is None:
            return
        self._answers.setdefault(node, []).append((self._number, answer))
        if answer.look is not None and not {node, answer.node} & self._shown.keys():
            self.denied.add(node)
        else:
            self.denied.discard(node)
            self.asked_before.discard(node)

    def look_of(self, resource: str, node: str) -> Look | None:
        """How a node looked as an endpoint of the resource, or else in the last list."""
        return self.looks.get((resource, node)) or self._shown.get(node)

    def shows(self, resource: str, node: str) -> bool:
        """Whether the last verified list shows the node as an endpoint of the resource."""
        return (resource, node) in self._wanted

    def answers_of(self, resource: str, node: str) -> list[Answer]:
        """The answers of a node since a list first lacked it."""
        absence = self._absences.get((resource, node))
        first = self._number if absence is None else absence.first
        return [answer for number, answer in self._answers.get(node, ()) if number >= first]

    def times(self, resource: str, node: str) -> list[str]:
        """When the lists that lack a node were read, for people."""
        absence = self._absences.get((resource, node))
        return [f"{at:%H:%M:%S}" for at in absence.counted] if absence else []

    def is_due(self, resource: str, node: str, at: datetime) -> bool:
        """Whether enough lists lacked a node, over a long enough time."""
        absence = self._absences.get((resource, node))
        if absence is None or len(absence.counted) < CONFIRMATIONS:
            return False
        return at - absence.since > (CONFIRMATIONS - 1) * INTERVAL - ROUNDED

    def _lacking(self, name: str, node: str, listing: Listing, at: datetime) -> None:
        absence = self._absences.setdefault((name, node), _Absence(at, self._number))
        if listing.nameless or node in listing.unknown:
            return
        if not absence.counted or at - absence.counted[-1] > ONE_LIST_WITHIN - ROUNDED:
            absence.counted.append(at)
