"""The tailnet of a chaos run, and everything that really happens to its machines."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Final

from tests.chaos.world import Machine, Selector, World

MOST: Final = 60
FEWEST: Final = 24
ZONES: Final = ("a", "b", "c")
HOME: Final = "a"  # the zone that no edit leaves out
ROLES: Final = ("web",) * 5 + ("edge",) * 2 + ("db",) + ("batch",) * 2
RESOURCES: Final[dict[str, Selector]] = {
    "all": {"env": ("production",)},
    "web": {"env": ("production",), "role": ("web",)},
    "edge": {"role": ("edge",)},
    "db": {"env": ("production",), "role": ("db",)},
}
EDITED: Final = ("all", "web")


class Fleet:
    """Changes the world, by chance but never so that an edited resource selects nothing.

    ``lately`` are addresses of machines that are gone, which new ones may be given.
    """

    def __init__(self, random: Random) -> None:
        self.world = World(dict(RESOURCES))
        self.lately: list[tuple[str, ...]] = []
        self._random = random
        self._count = 0
        roles = ["web"] * 16 + ["edge"] * 7 + ["db"] * 4 + ["batch"] * 9
        for place, role in enumerate(roles):
            self._add(role, ZONES[place % 3], "production" if role != "batch" else "staging")

    @property
    def changes(self) -> dict[str, Callable[[], None]]:
        """Everything that may happen, by name."""
        return {
            "gone": self._go,
            "came": self._come,
            "came back as another": self._come_again,
            "took over an address": self._take_over,
            "untagged": lambda: self._alter(tags=()),
            "other tags": lambda: self._alter(tags=("tag:env-retired",)),
            "key expired": lambda: self._alter(expired=True),
            "unauthorised": lambda: self._alter(authorized=False),
            "returned": self._return,
            "other address": self._move,
            "other port": self._other_port,
            "other name": self._rename,
        }

    def edit(self) -> tuple[str, Selector] | None:
        """Choose another selector for a resource; it may come to nothing."""
        name = self._random.choice(EDITED)
        zones = self._random.choice([None, (HOME,), (HOME, "b"), (HOME, "c")])
        selector = {**RESOURCES[name], **({"zone": zones} if zones else {})}
        return None if selector == self.world.selectors[name] else (name, selector)

    def _add(
        self, role: str, zone: str, env: str, label: str = "", addresses: tuple[str, ...] = ()
    ) -> None:
        self._count += 1
        number = self._count
        high, low = divmod(number, 200)
        machine = Machine(
            node=f"n{number:04}CNTRL",
            number=str(7_000_000 + number),
            label=label or f"{role}-{number}",
            addresses=addresses or (f"100.64.{high}.{low + 1}", f"fd7a:115c:a1e0:1::{number:x}"),
            tags=(f"tag:env-{env}", f"tag:role-{role}", f"tag:zone-{zone}"),
        )
        self.world.machines[machine.node] = machine

    def _some(self) -> Iterator[Machine]:
        """Choose machines of which all or none may go: one mostly, now and then many."""
        machines = [self.world.machines[node] for node in sorted(self.world.machines)]
        kind = self._random.choice(["one", "one", "one", "few", "many", "role"])
        if kind == "role":
            role = self._random.choice(["db", "edge"])
            yield from [one for one in machines if f"tag:role-{role}" in one.tags]
            return
        most = {"one": 1, "few": 4, "many": len(machines) * 2 // 5}[kind]
        yield from self._random.sample(machines, min(len(machines), most))

    def _may_miss(self, machine: Machine) -> bool:
        """Tell whether the edited resources have enough without it, whatever the edit."""
        others = [one for one in self.world.machines.values() if one is not machine]
        homes = [
            sum(one.is_wanted({**RESOURCES[name], "zone": (HOME,)}) for one in others)
            for name in EDITED
        ]
        return min(homes) >= 2

    def _go(self) -> None:
        for machine in self._some():
            if len(self.world.machines) > FEWEST and self._may_miss(machine):
                del self.world.machines[machine.node]
                self.lately = [*self.lately[-9:], machine.addresses]

    def _come(self) -> None:
        for _ in range(self._random.choice([1, 1, 2, 5, 12])):
            if len(self.world.machines) < MOST:
                role, zone = self._random.choice(ROLES), self._random.choice(ZONES)
                self._add(role, zone, "staging" if role == "batch" else "production")

    def _come_again(self) -> None:
        for machine in self._some():
            role = machine.label.partition("-")[0]
            if self._may_miss(machine):
                del self.world.machines[machine.node]
                self._add(role, self._random.choice(ZONES), "production", machine.label)

    def _take_over(self) -> None:
        if self.lately and len(self.world.machines) < MOST:
            role, zone = self._random.choice(ROLES), self._random.choice(ZONES)
            self._add(role, zone, "production", addresses=self.lately.pop())

    def _alter(self, **changes: object) -> None:
        for machine in self._some():
            if self._may_miss(machine):
                self.world.machines[machine.node] = replace(machine, **changes)  # type: ignore[arg-type]

    def _return(self) -> None:
        """Let machines that are no endpoints any more become what they were."""
        for node, machine in list(self.world.machines.items()):
            if machine.is_eligible and "tag:env-retired" not in machine.tags:
                continue
            if self._random.random() < 0.5:
                role = machine.label.partition("-")[0]
                tags = ("tag:env-production", f"tag:role-{role}", f"tag:zone-{HOME}")
                self.world.machines[node] = replace(
                    machine, tags=tags, expired=False, authorized=True
                )

    def _move(self) -> None:
        machine = self._any()
        self._count += 1
        address = f"100.65.{self._count // 200}.{self._count % 200 + 1}"
        self.world.machines[machine.node] = replace(
            machine, addresses=(address, *machine.addresses[1:])
        )

    def _other_port(self) -> None:
        for _ in range(self._random.choice([1, 3, 8])):
            machine, port = self._any(), "tag:port-9090"
            if machine.tags:
                tags = tuple(sorted({*machine.tags} ^ {port}))
                self.world.machines[machine.node] = replace(machine, tags=tags)

    def _rename(self) -> None:
        machine = self._any()
        role = machine.label.partition("-")[0]
        self._count += 1
        self.world.machines[machine.node] = replace(machine, label=f"{role}-{self._count}x")

    def _any(self) -> Machine:
        return self.world.machines[self._random.choice(sorted(self.world.machines))]
