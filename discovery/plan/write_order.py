"""The order of writes: an endpoint leaves a slice only when another acknowledged slice holds it.

An endpoint that stays wanted and changes its slice gains the new one first. Mostly an order of the
writes does that. Where slices exchange endpoints in a circle no order can: then one slice of the
circle is written twice, first with what comes and what goes together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from discovery.plan.changes import Action, Change, Changes
from discovery.plan.endpointslice import EndpointSlice

type_of_place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Write:
    """One slice that is to become another; ``before`` is None for a new one, ``after`` for none."""

    before: EndpointSlice | None
    after: EndpointSlice | None
