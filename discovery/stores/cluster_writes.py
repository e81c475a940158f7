"""Writes to a cluster: in order, fenced, each told apart by what its failure means.

A child is created by POST, so that one that exists already is never taken over unseen, and applied
from then on. A POST leaves an entry in managedFields that applying does not touch; it is turned
into one of server-side apply at once, or by the next pass, or a field that is sent no more would
stay for ever.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from discovery.clients.errors import APIError, ConflictError, NotFoundError, RejectedError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.errors import NamespaceTerminatingError
from discovery.clients.kube.resources import ENDPOINT_SLICES, SERVICES, Resource
from discovery.metrics import Metrics
from discovery.plan.changes import Action, Change
from discovery.stores import EndingError, OutdatedError, StoreError, WriteError
from discovery.stores.cache import Cache, Held, claim_of

AT_ONCE: Final = 16
"""Writes in flight: more do not make an API server faster, and others use it too."""

_RESOURCES: Final[Mapping[str, Resource]] = {"EndpointSlice": ENDPOINT_SLICES, "Service": SERVICES}


class NotLeaderError(StoreError):
    """Another replica may be writing by now: nothing is sent any more."""


class ClusterWriter:
    """Carries out changes and puts the answers into the caches."""

    def __init__(
        self,
        client: KubeClient,
        slices: Cache[Any],
        services: Cache[Any],
        may_write: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._caches = {"EndpointSlice": slices, "Service": services}
        self._may_write = may_write
        self._free = asyncio.Semaphore(AT_ONCE)

    def ensure_allowed(self) -> None:
        """Raise NotLeaderError where this process may not write now."""
        if not self._may_write():
            raise NotLeaderError("leadership is lost: nothing is written")

    async def carry_out(self, groups: Sequence[Sequence[Change]]) -> None:
        """Write the groups in their order, the changes of one group side by side.

        What needs a write that failed is left out, and where a Service can not be made or deleted,
        so is everything after it. Raises WriteError, or OutdatedError where somebody else was
        faster and nothing else failed.
        """
        failed: dict[tuple[str, str], APIError] = {}
        left_out: set[tuple[str, str]] = set()
        count = sum(map(len, groups))
        for group in groups:
            ready = [c for c in group if not _needs(c) & (failed.keys() | left_out)]
            left_out |= {_place(change) for change in group if change not in ready}
            answers = await asyncio.gather(*map(self._attempt, ready))
            failed |= {_place(c): error for c, error in zip(ready, answers, strict=True) if error}
            if any(_is_vital(c) and _place(c) in failed for c in ready):
                break
        if failed:
            raise _summary(failed, count)

    async def claim(self, resource: Resource, children: Iterable[Held[Any]]) -> None:
        """Make server-side apply the manager of what a POST of ours left half claimed.

        What changed meanwhile is left to the next pass.
        """
        for held in children:
            place = held.claim
            if place is None:
                continue
            try:
                answer = await self._claim(resource, held.namespace, held.name, place)
            except (ConflictError, NotFoundError, RejectedError):
                continue
            except APIError as error:
                text = f"{resource.kind} {held.name} can not be claimed: {error}"
                raise WriteError(text) from error
            self._caches[resource.kind].put(answer)

    async def _attempt(self, change: Change) -> APIError | None:
        """Carry out one change; return what it failed by."""
        resource = _RESOURCES[change.kind]
        async with self._free:
            self.ensure_allowed()
            try:
                await self._write(resource, change)
            except APIError as error:
                self._metrics.write_failed(change.kind)
                if isinstance(error, ConflictError):
                    await self._look(resource, change)
                return error
        self._metrics.wrote(change.kind, change.action)
        return None

    async def _write(self, resource: Resource, change: Change) -> None:
        namespace, name, cache = change.namespace, change.name, self._caches[change.kind]
        if change.action is Action.DELETE:
            metadata = (change.before or {})["metadata"]
            version = metadata.get("resourceVersion")
            with suppress(NotFoundError):  # it is gone, which is what was wanted
                await self._client.delete(
                    resource, namespace, name, uid=metadata["uid"], resource_version=version
                )
            cache.drop(namespace, name, metadata["uid"])
            return
        body = dict(change.after or {})
        if change.action is Action.UPDATE:
            cache.put(await self._client.apply(resource, namespace, name, body))
            return
        made = await self._client.create(resource, namespace, body)
        cache.put(made)
        place = claim_of(made["metadata"])
        if place is not None:
            cache.put(await self._claim(resource, namespace, name, place))

    async def _claim(
        self, resource: Resource, namespace: str, name: str, place: int
    ) -> dict[str, Any]:
        self.ensure_allowed()
        path = f"/metadata/managedFields/{place}"
        operations = [
            {"op": "test", "path": f"{path}/operation", "value": "Update"},
            {"op": "replace", "path": f"{path}/operation", "value": "Apply"},
        ]
        return await self._client.json_patch(resource, namespace, name, operations)

    async def _look(self, resource: Resource, change: Change) -> None:
        """Take what is really there into the cache, for the next pass."""
        cache = self._caches[change.kind]
        try:
            cache.find_out(await self._client.get(resource, change.namespace, change.name))
        except NotFoundError:
            known = cache.get(change.namespace, change.name)
            if known is not None:
                cache.drop(change.namespace, change.name, known.uid)
        except APIError:
            return  # the watch will tell


def _place(change: Change) -> tuple[str, str]:
    return change.kind, change.name


def _needs(change: Change) -> set[tuple[str, str]]:
    return {(change.kind, name) for name in change.needs}


def _is_vital(change: Change) -> bool:
    """Tell whether slices must not be written where this one failed."""
    return change.kind == "Service" and change.action is not Action.UPDATE


def _summary(failed: Mapping[tuple[str, str], APIError], count: int) -> StoreError:
    refused = {place: e for place, e in failed.items() if not isinstance(e, ConflictError)}
    kind: type[StoreError] = WriteError if refused else OutdatedError
    if refused and all(isinstance(e, NamespaceTerminatingError) for e in refused.values()):
        kind = EndingError
    (what, name), first = next(iter((refused or failed).items()))
    error = kind(f"{len(failed)} of {count} writes failed, the first of {what} {name}: {first}")
    error.__cause__ = first
    pauses = [asked for one in failed.values() if (asked := getattr(one, "retry_after", None))]
    error.retry_after = max(pauses, default=None)
    return error
