"""Stores: where resources are read from and what follows from them is written to.

The reconciler knows neither a cluster nor a directory; it sees a :class:`Store`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from discovery.plan.changes import Change
from discovery.plan.slices import EndpointSlice
from discovery.v1alpha1 import Key, TailscaleEndpoints
from discovery.v1alpha1_status import TailscaleEndpointsStatus


class StoreError(Exception):
    """The store could not be read or written; the text is one line that says what and where."""


@dataclass(frozen=True, slots=True)
class Children:
    """What exists for a resource: Services that it has or wants, as they are, and its slices."""

    services: tuple[Mapping[str, Any], ...] = ()
    slices: tuple[EndpointSlice, ...] = ()


class Store(Protocol):
    """Resources and their children. Every method raises StoreError where it can not do its work."""

    def get(self, key: Key) -> TailscaleEndpoints | None:
        """Return the resource with its last status, or None when it is not there (any more)."""
        ...

    async def children(self, key: Key) -> Children:
        """Return what exists for the resource."""
        ...

    async def apply(self, key: Key, changes: Sequence[Change]) -> None:
        """Carry out the changes in their order."""
        ...

    async def report(self, key: Key, status: TailscaleEndpointsStatus) -> None:
        """Replace the status of the resource."""
        ...

    async def remove(self, key: Key) -> None:
        """Remove what is left of a resource that is not there any more."""
        ...

    async def flush(self) -> None:
        """Make everything since the last flush visible, all of it or nothing."""
        ...
