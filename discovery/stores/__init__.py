"""Stores: where resources are read from and what follows from them is written to.

The reconciler knows neither a cluster nor a directory; it sees a :class:`Store`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from discovery.plan.announcements import Announcement
from discovery.plan.changes import Change
from discovery.plan.slices import EndpointSlice
from discovery.v1alpha1 import Key, ObjectMeta, TailscaleEndpoints
from discovery.v1alpha1_status import TailscaleEndpointsStatus


class StoreError(Exception):
    """The store could not be read or written; the text is one line that says what and where.

    ``retry_after`` is the pause that it asks for, where it does.
    """

    retry_after: timedelta | None = None


class WriteError(StoreError):
    """A write was refused, or its answer never came: what the pass wanted is not all there."""


class EndingError(WriteError):
    """Nothing can be made there any more, since the namespace is being deleted."""


class OutdatedError(StoreError):
    """What a pass saw was not what is there any more; the next pass sees it."""


@dataclass(frozen=True, slots=True)
class UnreadableResource:
    """A resource that slipped past an older CRD: all that can be done is to say so.

    ``problem`` says everything that is wrong with it. ``status`` is None where that is unreadable
    too.
    """

    key: Key
    metadata: ObjectMeta
    status: TailscaleEndpointsStatus | None
    problem: str


@dataclass(frozen=True, slots=True)
class Children:
    """What exists for a resource: Services that it has or wants, as they are, and its slices.

    ``mirrored`` says that slices made from a hand-made Endpoints object are in its Service too.
    """

    services: tuple[Mapping[str, Any], ...] = ()
    slices: tuple[EndpointSlice, ...] = ()
    mirrored: bool = False


class Store(Protocol):
    """Resources and their children. Every method raises StoreError where it can not do its work."""

    def keys(self) -> Iterable[Key]:
        """Return every key that has a resource, or something left of one."""
        ...

    def refresh(self) -> set[Key]:
        """Return the keys of resources that came, changed or went since the last call."""
        ...

    def get(self, key: Key) -> TailscaleEndpoints | UnreadableResource | None:
        """Return the resource with its last status, or None when it is not there (any more)."""
        ...

    async def children(self, key: Key) -> Children:
        """Return what exists for the resource."""
        ...

    async def known_nodes(self, keys: Iterable[Key]) -> set[str]:
        """Return the node IDs that the slices of these resources know: the last good state."""
        ...

    async def apply(self, key: Key, groups: Sequence[Sequence[Change]]) -> None:
        """Carry out the changes: the groups in their order, those of one group side by side.

        Raises WriteError where the store refuses one; what does not need it is carried out.
        """
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

    def announce(self, key: Key, said: Announcement) -> None:
        """Tell people who watch the resource what happened to it; never fails."""
        ...
