"""Forged histories of a chaos run."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.chaos.oracle import Oracle
from tests.chaos.served import Answer, Listing, Look
from tests.chaos.world import Machine, Selector, World

BEGIN = datetime(2027, 1, 1, 12, tzinfo=UTC)
TAGS = ("tag:env-production", "tag:zone-a")


def machine(name: str, number: int) -> Machine:
    return Machine(name, str(number), name, (f"100.64.0.{number}",), TAGS)


def look(of: Machine) -> Look:
    return Look(
        frozenset(of.tags), frozenset(of.addresses), f"{of.label}.company.ts.net", of.is_eligible
    )


@dataclass
class History:
    """A forged run: ten machines, all of them endpoints of ``web``."""

    world: World = field(
        default_factory=lambda: World(
            {"web": {"env": ("production",)}},
            {f"n{number}": machine(f"n{number}", number) for number in range(10)},
        )
    )
    now: datetime = BEGIN

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.world.copy())
        self.oracle.see(self.slices())
        self.poll()
        assert self.rules() == []

    def slices(self, without: Iterable[str] = ()) -> dict[str, dict[str, str]]:
        left = set(without)
        held = {a: node for a, node in self.world.addresses("web").items() if node not in left}
        return {"web": held}

    def listing(self, without: Iterable[str] = ()) -> Listing:
        machines = self.world.machines.values()
        return Listing({one.node: look(one) for one in machines if one.node not in set(without)})

    def poll(self, listing: Listing | None = None, *, fails: bool = False) -> None:
        """A list is served: the true one, another, or none."""
        self.now += timedelta(seconds=60)
        self.oracle.begin()
        self.oracle.listed(None if fails else listing or self.listing(), self.now)

    def go(self, *nodes: str) -> None:
        """Machines are really gone."""
        for node in nodes:
            del self.world.machines[node]
        self.oracle.change(self.world.copy())

    def alter(self, node: str, **changes: object) -> None:
        """A machine is really another."""
        found = self.world.machines[node]
        self.world.machines[node] = replace(found, **changes)  # type: ignore[arg-type]
        self.oracle.change(self.world.copy())

    def select(self, selector: Selector) -> None:
        """The resource is edited."""
        self.world.selectors["web"] = selector
        self.oracle.change(self.world.copy())

    def deny(self, *nodes: str) -> None:
        """The control plane answers that there are no such machines."""
        for node in nodes:
            self.oracle.answered(node, Answer(None))

    def rules(self) -> list[str]:
        return [one.rule for one in self.oracle.violations]

    def why(self) -> str:
        return self.oracle.violations[0].why
