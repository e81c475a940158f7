"""The devices and selectors that both sides evaluate, from a fixed seed.

Shaped like a tailnet of a platform team: 24 keys, three of them with a dash, 2 to 200 values each
(log-uniform) with Zipf weights, 1 to 8 tags a device; 1 to 5 requirements a resource, half In, a
quarter Exists, the rest NotIn and DoesNotExist, 1 to 4 values. No key is declared and none is a
prefix of another before a dash, so that the peers, which do not know that rule, must come to the
same answer.
"""

import random
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from tagselectors import Operator, Selector, SelectorTerms, TagSelector

SEED = 20240115
CHANGED_PERCENT = 1

_KEYS = [
    "env",
    "region",
    "zone",
    "tier",
    "team",
    "role",
    "app",
    "version",
    "owner",
    "os",
    "arch",
    "gpu",
    "rack",
    "site",
    "customer",
    "project",
    "channel",
    "cluster",
    "backup",
    "class",
    "stage",
    "service-type",
    "cost-center",
    "k8s-node",
]
_OPERATORS = (Operator.IN, Operator.NOT_IN, Operator.EXISTS, Operator.DOES_NOT_EXIST)
_OPERATOR_WEIGHTS = (50, 15, 25, 10)


@dataclass(frozen=True, slots=True)
class Workload:
    """``tags`` per device and ``resources`` to match; ``changed`` holds devices' next tags."""

    tags: dict[int, tuple[str, ...]]
    resources: dict[int, SelectorTerms]
    changed: dict[int, tuple[str, ...]]


def generate(devices: int, resources: int, seed: int = SEED) -> Workload:
    """Return the workload of that size: the same for the same arguments."""
    draw = _Draw(seed)
    tags = {device: draw.tags() for device in range(devices)}
    selectors = {resource: SelectorTerms((draw.selector(),)) for resource in range(resources)}
    moved = draw.random.sample(range(devices), max(1, devices * CHANGED_PERCENT // 100))
    return Workload(tags, selectors, {device: draw.tags() for device in moved})


class _Draw:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._values = {
            key: [f"{key[:2]}{number}" for number in range(round(2 * 100 ** self.random.random()))]
            for key in _KEYS
        }
        self._weights = {
            key: list(accumulate(1 / rank for rank in range(1, len(values) + 1)))
            for key, values in self._values.items()
        }

    def tags(self) -> tuple[str, ...]:
        keys = self.random.sample(_KEYS, self.random.randint(1, 8))
        return tuple(sorted(f"tag:{key}-{self._value(key)}" for key in keys))

    def selector(self) -> Selector:
        keys = self.random.sample(_KEYS, self.random.randint(1, 5))
        return Selector(tuple(map(self._requirement, keys)))

    def _requirement(self, key: str) -> TagSelector:
        (operator,) = self.random.choices(_OPERATORS, _OPERATOR_WEIGHTS)
        values: tuple[str, ...] = ()
        if operator in {Operator.IN, Operator.NOT_IN}:
            count = self.random.randint(1, 4)
            values = tuple(sorted({self._value(key) for _ in range(count)}))
        return TagSelector(key=key, operator=operator, values=values)

    def _value(self, key: str) -> str:
        (value,) = self.random.choices(self._values[key], cum_weights=self._weights[key])
        return value


def peer_form(workload: Workload) -> dict[str, Any]:
    """Return the workload as the peers' JSON: tags before and after the change, requirements."""
    return {
        "before": list(workload.tags.values()),
        "after": list((workload.tags | workload.changed).values()),
        "resources": [
            [
                requirement.model_dump(mode="json")
                for requirement in expression.terms[0].requirements
            ]
            for expression in workload.resources.values()
        ],
    }
