"""The tailnet and the resources: those of the selectors' benchmark that select 1 to 50 devices."""

import random
from dataclasses import dataclass
from typing import Any

from benchmarks.decode.__main__ import device
from benchmarks.selectors.workload import generate
from tagselectors import TagIndex, TagSelector

TAILNET = "company.ts.net"
_MOST = 50  # devices of one resource
_CANDIDATES = 10  # for each resource that is wanted; most select none, or nearly all


@dataclass(frozen=True, slots=True)
class Fleet:
    """``devices`` as the API has them, a spec per resource, and the addresses that each selects.

    The addresses are IPv4, which is what a resource asks for unless it says otherwise, and sorted.
    """

    devices: list[dict[str, Any]]
    specs: dict[str, dict[str, Any]]
    addresses: dict[str, list[str]]

    def __str__(self) -> str:
        sizes = sorted(len(one) for one in self.addresses.values())
        chosen = {each for one in self.addresses.values() for each in one}
        return (
            f"{len(self.specs)} resources x {len(self.devices):,} devices: {sizes[0]} to"
            f" {sizes[-1]} devices each, median {sizes[len(sizes) // 2]};"
            f" {sum(sizes):,} endpoints on {len(chosen)} devices"
        )


def fleet(devices: int, resources: int) -> Fleet:
    """Return the fleet of that size: the same for the same arguments."""
    workload = generate(devices, resources * _CANDIDATES)
    index: TagIndex[int, int] = TagIndex(workload.resources)
    index.load(workload.tags)
    fitting = [name for name in workload.resources if 1 <= index.count(name) <= _MOST]
    rng = random.Random(1)
    bodies = [device(number, rng) for number in range(devices)]
    for number, tags in workload.tags.items():
        bodies[number]["tags"] = list(tags)
    made = Fleet(bodies, {}, {})
    for place, name in enumerate(fitting[:resources]):
        (term,) = workload.resources[name].terms
        chosen = [bodies[number]["addresses"] for number in index.matches(name)]
        made.specs[f"r{place:03}"] = _spec(term.requirements)
        made.addresses[f"r{place:03}"] = sorted(one[0] for one in chosen)
    return made


def _spec(requirements: tuple[TagSelector, ...]) -> dict[str, Any]:
    selectors = [one.model_dump(mode="json", exclude_defaults=True) for one in requirements]
    return {
        "tailnet": TAILNET,
        "tagSelectors": selectors,
        "discovery": {"ports": [{"name": "http", "port": 8080}]},
    }
