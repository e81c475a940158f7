"""The judge of a chaos run: what may leave the slices, and what must.

It knows the truth, what the control plane served, and every state that the slices went through.
It takes nothing from the program and shares no code with it. Endpoints are followed by address,
which is where traffic goes; the node is who the slices say has it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from tests.chaos.evidence import Outcome, Record
from tests.chaos.served import Answer, Listing
from tests.chaos.world import World

INTERVAL: Final = timedelta(seconds=60)
CONFIRMATIONS: Final = 3
PERCENT: Final = 30
LEAST_BUDGET: Final = 3
QUESTIONS: Final = 20
LONG_CALM: Final = 7
"""Polls without a fault after which whatever went wrong before must have been tried again: the
longest pause between two passes is five minutes."""

Slices = Mapping[str, Mapping[str, str]]
"""The node of every address that a resource's slices hold, by resource."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise. ``rule`` is ``lost``, ``late`` or ``missing``."""

    rule: str
    resource: str
    node: str
    why: str


@dataclass(frozen=True, slots=True)
class _Removed:
    """A removal that the control plane's word explains, for the budget's window."""

    at: datetime
    node: str
    size: int


@dataclass
class Oracle:
    """Told of everything in the order in which it happens."""

    world: World
    violations: list[Violation] = field(default_factory=list)
    removals: int = 0
    edits: int = 0
    present: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record = Record()
        self._start: dict[str, dict[str, str]] = {}
        self._largest: dict[str, int] = {}
        self._candidates: list[Outcome] = []
        self._window: dict[str, list[_Removed]] = {name: [] for name in self.world.selectors}
        self._waits: dict[tuple[str, str], int] = {}
        self._longest: dict[tuple[str, str], int] = {}
        self._calm = 0

    def change(self, world: World) -> None:
        """The truth is another from now on."""
        for name, selector in world.selectors.items():
            if selector != self.world.selectors[name]:
                self.record.reselect(name, selector)
        self.world = world

    def begin(self, *, settled: bool = True) -> None:
        """A poll begins. ``settled``: every state of the slices so far has been told."""
        if settled:
            self._candidates = self._candidates[-1:]
            self._start = {name: dict(held) for name, held in self.present.items()}
            self._largest = {name: len(set(held.values())) for name, held in self._start.items()}

    def lead(self) -> None:
        """Another process leads: it judges its first list by what the slices hold."""
        self.record.forget(node for held in self.present.values() for node in held.values())

    def listed(self, listing: Listing | None, at: datetime) -> None:
        """An answer to the list was served; None is one that says nothing."""
        verified = listing is not None and listing.is_verified(self.record.tagged)
        outcome = Outcome(listing if verified else None, at, self.world.copy())
        self._candidates.append(outcome)
        if listing is None or not verified:
            return
        held = {node for places in self.present.values() for node in places.values()}
        self.record.take(listing, at, self.world, held)
        for name, node in list(self._waits):
            # Whoever comes back, or may be there, begins anew when it goes again.
            if node in listing.unknown or self.record.shows(name, node):
                del self._waits[name, node]

    def answered(self, node: str, answer: Answer | None) -> None:
        """An answer to the question for one machine was served."""
        self.record.answer(node, answer)

    def see(self, slices: Slices) -> None:
        """The slices of the cluster are these now."""
        before = self.present
        self.present = {name: dict(held) for name, held in slices.items()}
        for name, held in self.present.items():
            # What came in this very pass counts for the size of which a part may go.
            self._largest[name] = max(self._largest.get(name, 0), len(set(held.values())))
        for name, held in before.items():
            now = self.present.get(name, {})
            for address, node in held.items():
                if address not in now:
                    self._left(name, node, address, gone=node not in now.values())

    def end(self, *, calm: bool, unsettled: Collection[str] = ()) -> None:
        """The poll has ended; ``unsettled`` resources have a pass that is still to be repeated."""
        self.record.settle(self.world.selectors.keys() - set(unsettled))
        self._calm = self._calm + 1 if calm else 0
        if not calm:
            return
        names = [
            name for name in self.world.selectors if name not in unsettled or self._calm > LONG_CALM
        ]
        bound = self.bound()
        for name in names:
            self._expect_wanted(name)
            self._expect_removed(name, bound)

    def bound(self) -> int:
        """How many polls without a fault a removal may take: its lists, its turn to be asked."""
        open_nodes = {node for name in self.world.selectors for node in self._unwanted(name)}
        return CONFIRMATIONS + 3 + ceil(len(open_nodes) / QUESTIONS)

    def differences(self) -> list[str]:
        """How the slices differ from the truth."""
        found = []
        for name in self.world.selectors:
            wanted, held = self.world.addresses(name), self.present.get(name, {})
            found += [f"{name}: {wanted[a]} at {a} is missing" for a in wanted.keys() - held]
            found += [f"{name}: {held[a]} at {a} is too much" for a in held.keys() - wanted]
        return sorted(found)

    def _unwanted(self, name: str) -> set[str]:
        wanted = self.world.addresses(name)
        return {node for a, node in self.present.get(name, {}).items() if a not in wanted}

    def _expect_wanted(self, name: str) -> None:
        held = self.present.get(name, {})
        for address, node in self.world.addresses(name).items():
            if address not in held:
                why = f"{address} is in no slice after a poll without a fault"
                self._report("missing", name, node, why)

    def _expect_removed(self, name: str, bound: int) -> None:
        unwanted = self._unwanted(name)
        for key in [key for key in self._waits if key[0] == name and key[1] not in unwanted]:
            del self._waits[key]
            self._longest.pop(key, None)
        for node in unwanted:
            key = (name, node)
            self._waits[key] = self._waits.get(key, 0) + 1
            self._longest[key] = max(bound, self._longest.get(key, 0))
            if self._waits[key] > self._longest[key]:
                why = f"still there after {self._waits[key]} polls without a fault"
                self._report("late", name, node, why)

    def _left(self, name: str, node: str, address: str, *, gone: bool) -> None:
        """Judge one address that left the slices of a resource."""
        look = self.record.look_of(name, node)
        selectors = [self.world.selectors[name]]
        selectors += [one.world.selectors[name] for one in self._candidates]
        if look and look.is_eligible and not all(look.is_wanted(one) for one in selectors):
            self.edits += gone
            return
        reasons = []
        for outcome in self._candidates:
            reason = self._unjustified(name, node, address, outcome)
            if reason is None:
                self._count(name, node, outcome, gone=gone)
                return
            reasons.append(f"{outcome.at:%H:%M:%S}: {reason}")
        why = "; ".join(dict.fromkeys(reasons)) or "no list was served"
        self._report("lost", name, node, f"{address} left the slices; {why}")

    def _unjustified(self, name: str, node: str, address: str, outcome: Outcome) -> str | None:
        """Return why a list does not explain that an address left; None where it does."""
        listing, selector = outcome.listing, outcome.world.selectors[name]
        if listing is None:
            return "no list that may be believed"
        machine = outcome.world.machine(node)
        if machine is not None and machine.is_wanted(selector):
            if address in machine.addresses:
                return "the machine is there"
            shown = listing.shown.get(node)
            return None if shown and address not in shown.addresses else "no list says it moved"
        if listing.owner_of(address) not in {None, node}:
            return None
        return self._unconfirmed(name, node, outcome)

    def _unconfirmed(self, name: str, node: str, outcome: Outcome) -> str | None:
        """Return what a removal lacks of which the machine is really gone."""
        listing, selector = outcome.listing, outcome.world.selectors[name]
        assert listing is not None
        shown = listing.shown.get(node)
        answers = self.record.answers_of(name, node)
        liars = self.record.denied & (self.record.asked_before - listing.shown.keys())
        due = self.record.is_due(name, node, outcome.at)
        over = "" if due else self._over_budget(name, outcome)
        lacks = (
            (listing.nameless > 0, "the list has an entry that may be any machine"),
            (node in listing.unknown, "its entry is unreadable"),
            (shown is not None and shown.is_wanted(selector), "the list shows it as an endpoint"),
            (not any(a.denies(selector) for a in answers), "its own answer does not say so"),
            (bool(liars), f"the list lacks {', '.join(sorted(liars))}, which answered"),
            (bool(over), f"{over}, and lacking only at {self.record.times(name, node)}"),
        )
        return next((reason for applies, reason in lacks if applies), None)

    def _over_budget(self, name: str, outcome: Outcome) -> str:
        """Return what is over the budget in words; nothing where nothing is."""
        listing, selector = outcome.listing, outcome.world.selectors[name]
        assert listing is not None
        held = set(self._start.get(name, {}).values())
        wanted = {node for node, look in listing.shown.items() if look.is_wanted(selector)}
        guarded = {
            node
            for node in held - wanted - listing.unknown
            if self._is_guarded(name, node, listing)
        }
        since = outcome.at - CONFIRMATIONS * INTERVAL
        window = [one for one in self._window[name] if one.at > since and one.node not in held]
        size = max([self._largest[name], *(one.size for one in window)])
        going = guarded | {one.node for one in window}
        budget = max(LEAST_BUDGET, size * PERCENT // 100)
        if len(going) <= budget and (wanted or held & listing.unknown):
            return ""
        return f"over the budget of {budget}: {', '.join(sorted(going))} of {size} go"

    def _is_guarded(self, name: str, node: str, listing: Listing) -> bool:
        """Tell whether only the control plane's word explains that a node goes."""
        look = self.record.looks.get((name, node))
        addresses = [a for a, of in self._start[name].items() if of == node]
        moved = any(listing.owner_of(a) not in {None, node} for a in addresses)
        by_edit = look is not None and not look.is_wanted(self.world.selectors[name])
        return not (moved or by_edit)

    def _count(self, name: str, node: str, outcome: Outcome, *, gone: bool) -> None:
        listing = outcome.listing
        if not gone or listing is None or not self._is_guarded(name, node, listing):
            return
        self.removals += 1
        self._window[name].append(_Removed(outcome.at, node, self._largest[name]))

    def _report(self, rule: str, resource: str, node: str, why: str) -> None:
        self.violations.append(Violation(rule, resource, node, why))
