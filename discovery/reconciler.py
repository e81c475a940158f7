"""One pass over one resource, readable top to bottom: gather, plan, apply, report."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from discovery.plan.changes import Change
from discovery.plan.endpoints import Resolution
from discovery.plan.observed import Observed
from discovery.source import Source
from discovery.stores import Store, StoreError
from discovery.v1alpha1 import Key, Mode, TailscaleEndpoints

log = logging.getLogger(__name__)


class Sources:
    """The configured tailnets, found by the name that a resource gives.

    A tailnet answers to its name and to every one of its domains, old and new.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources)

    def of(self, tailnet: str) -> Source | None:
        """Return the source of a tailnet, or None where it is not configured."""
        for source in self._sources:
            policy = source.policy
            # A tailnet known only by its credentials has no name before its first list.
            if tailnet in (policy.tailnet, *policy.domains) or not policy.tailnet:
                return source
        return None


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over a resource comes to: the changes it wants, and what it saw."""

    resource: TailscaleEndpoints
    changes: tuple[Change, ...]
    observed: Observed

    @property
    def resolution(self) -> Resolution:
        """The endpoints and refusals; empty where nothing could be resolved."""
        return self.observed.resolution or Resolution()


class Reconciler:
    """Turns resources into children of a store. ``mode`` Observe never writes any."""

    def __init__(self, store: Store, sources: Sources, instance: str, mode: Mode) -> None:
        self._store = store
        self._sources = sources
        self._instance = instance
        self._mode = mode

    def define(self, keys: Iterable[Key]) -> None:
        """Take resources that came, changed or went into the selections of their tailnets."""
        specs = {key: r.spec if (r := self._store.get(key)) else None for key in keys}
        for source in self._sources:
            source.selection.define(
                {
                    key: spec if spec and self._sources.of(spec.tailnet) is source else None
                    for key, spec in specs.items()
                }
            )

    async def reconcile(self, key: Key, now: datetime) -> Pass | None:
        """Bring one resource's children and status to what they should be at ``now``.

        Returns None where the resource is gone. Raises StoreError.
        """
        resource = self._store.get(key)
        if resource is None:
            await self._store.remove(key)
            await self._store.flush()
            return None
        planned = self.plan(resource, await self._store.children(key), now)
        try:
            await self._store.apply(key, planned.changes)
            await self._report(planned, now)
            await self._store.flush()
        except StoreError as error:
            log.error("not written", extra={"resource": str(key), "problem": str(error)})
            raise
        for change in planned.changes:
            log.info(
                "applied",
                extra={"object": f"{change.kind}/{change.name}", "action": change.action},
            )
        return planned
