"""The cluster store: resources and their children as one API server has them.

Everything is read from caches, which watches keep; only a Service of the wanted name that is not
known to be ours is asked for each time, since strangers' Services are not watched.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from discovery.clients.errors import APIError, ConflictError, NotFoundError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.resources import ENDPOINT_SLICES, SERVICES, TAILSCALE_ENDPOINTS
from discovery.metrics import Metrics
from discovery.plan.announcements import Announcement
from discovery.plan.changes import Change
from discovery.plan.owner import Owner, Ownership, owner_of, service_ownership, slice_ownership
from discovery.plan.slices import EndpointSlice
from discovery.stores import Children, StoreError, UnreadableResource, WriteError
from discovery.stores.cache import Cache, Held
from discovery.stores.cluster_objects import (
    SERVICE_LABELS,
    SLICE_LABELS,
    HeldSlice,
    owner_name,
    owner_uid,
    read_resource,
    read_service,
    read_slice,
    resource_label,
)
from discovery.stores.cluster_writes import ClusterWriter
from discovery.v1alpha1 import Key, TailscaleEndpoints
from discovery.v1alpha1_status import TailscaleEndpointsStatus

Resource = TailscaleEndpoints | UnreadableResource
Tell = Callable[[Resource, Announcement], None]

_NEAR = frozenset({Ownership.OURS, Ownership.ADOPTABLE})


class ClusterStore:
    """Resources of one namespace, or of all, and what belongs to them.

    ``may_write`` is asked just before each write, and ``tell`` is given what is worth an event.
    ``on_change`` is called when somebody else changed something, once per change; what changed is
    then named by :meth:`refresh`.
    """

    def __init__(
        self,
        client: KubeClient,
        instance: str,
        *,
        namespace: str | None = None,
        may_write: Callable[[], bool] = lambda: True,
        tell: Tell = lambda _resource, _said: None,
        metrics: Metrics | None = None,
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.resources = Cache(read_resource, _resource_handles, self._resource_changed)
        self.slices = Cache(read_slice, _slice_handles, self._slice_changed)
        self.services = Cache(read_service, _service_handles, self._service_changed)
        self._client = client
        self._instance = instance
        self._namespace = namespace
        self._tell = tell
        self._changed: set[Key] = set()
        self._reporting: dict[Key, TailscaleEndpointsStatus] = {}
        self._writer = ClusterWriter(
            client, self.slices, self.services, may_write, metrics or Metrics()
        )

    async def load(self) -> None:
        """Read everything once. Raises APIError; nothing is then taken for gone."""
        for resource, cache, labels in self.watched():
            objects, _ = await self._client.collect(
                resource, cache.project, namespace=self._namespace, labels=labels
            )
            cache.replace(objects)
        self._changed.clear()

    def watched(self) -> tuple[tuple[Any, Cache[Any], str], ...]:
        """Return each kind that is to be watched, its cache, and the labels to select."""
        return (
            (TAILSCALE_ENDPOINTS, self.resources, ""),
            (ENDPOINT_SLICES, self.slices, SLICE_LABELS),
            (SERVICES, self.services, SERVICE_LABELS),
        )

    def keys(self) -> set[Key]:
        """Return the key of every resource; what one that is gone left is the collector's."""
        return {Key(held.namespace, held.name) for held in self.resources}

    def refresh(self) -> set[Key]:
        """Return the resources that changed, or something of which did, since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def get(self, key: Key) -> Resource | None:
        """Return the resource with its last status, or None when it is not there (any more)."""
        held = self.resources.get(*key)
        return held.value if held else None

    async def children(self, key: Key) -> Children:
        """Return what exists for the resource; nothing for one that is gone."""
        resource = self.get(key)
        if not isinstance(resource, TailscaleEndpoints):
            return Children()
        owner = owner_of(resource, self._instance)
        named = (
            [] if owner.service_name is None else [("service", key.namespace, owner.service_name)]
        )
        mirrored = any(
            held.value.is_mirrored for handle in named for held in self.slices.find(handle)
        )
        return Children(await self._services_of(owner), self._slices_of(owner), mirrored)

    async def known_nodes(self, keys: Iterable[Key]) -> set[str]:
        """Return the node IDs that the slices of these resources know: the last good state."""
        found = [self.get(key) for key in keys]
        return {
            endpoint.node_id
            for resource in found
            if isinstance(resource, TailscaleEndpoints)
            for held in self._slices_of(owner_of(resource, self._instance))
            for endpoint in held.endpoints
            if endpoint.node_id
        }

    async def apply(self, key: Key, groups: Sequence[Sequence[Change]]) -> None:
        """Carry out the changes in the cluster, and make what exists wholly ours.

        Raises WriteError, or OutdatedError where somebody else was faster.
        """
        resource = self.get(key)
        if isinstance(resource, TailscaleEndpoints):
            owner = owner_of(resource, self._instance)
            await self._writer.claim(ENDPOINT_SLICES, self._held_slices(owner))
            await self._writer.claim(SERVICES, self.services.find(("uid", owner.uid)))
        await self._writer.carry_out(groups)

    async def report(self, key: Key, status: TailscaleEndpointsStatus) -> None:
        """Apply the status. One of a resource that is gone, or is another by now, is dropped."""
        held = self.resources.get(*key)
        if held is None:
            return
        body = {
            "apiVersion": TAILSCALE_ENDPOINTS.api_version,
            "kind": TAILSCALE_ENDPOINTS.kind,
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": held.uid},
            "status": status.to_object(),
        }
        self._writer.ensure_allowed()
        self._reporting[key] = status
        try:
            answer = await self._client.apply(
                TAILSCALE_ENDPOINTS, key.namespace, key.name, body, subresource="status"
            )
        except (ConflictError, NotFoundError):
            return
        except APIError as error:
            failure = WriteError(f"the status can not be written: {error}")
            failure.retry_after = getattr(error, "retry_after", None)
            raise failure from error
        finally:
            del self._reporting[key]
        self.resources.put(answer)

    async def remove(self, key: Key) -> None:
        """Do nothing: the garbage collector takes what a resource leaves."""

    async def flush(self) -> None:
        """Do nothing: every write is visible at once."""

    def announce(self, key: Key, said: Announcement) -> None:
        """Hand it to ``tell``, for an event on the resource."""
        resource = self.get(key)
        if resource is not None:
            self._tell(resource, said)

    async def _services_of(self, owner: Owner) -> tuple[Any, ...]:
        own = [held.value for held in self.services.find(("uid", owner.uid))]
        wanted = owner.service_name
        found = [one for one in own if one["metadata"]["name"] != wanted]
        if wanted is not None:
            found += await self._service(owner, wanted)
        return tuple(found)

    async def _service(self, owner: Owner, name: str) -> list[Any]:
        """Return the Service of that name as it is, whosever it is."""
        held = self.services.get(owner.namespace, name)
        if held is not None and service_ownership(held.value, owner) is Ownership.OURS:
            return [held.value]
        try:
            found = await self._client.get(SERVICES, owner.namespace, name)
        except NotFoundError:
            return []
        except APIError as error:
            raise StoreError(
                f"Service {owner.namespace}/{name} can not be read: {error}"
            ) from error
        return [read_service(found)]

    def _slices_of(self, owner: Owner) -> tuple[EndpointSlice, ...]:
        return tuple(
            held.value.slice for held in self._held_slices(owner) if held.value.slice is not None
        )

    def _held_slices(self, owner: Owner) -> list[Held[HeldSlice]]:
        handles = [
            ("uid", owner.uid),
            ("resource", owner.namespace, owner.resource_label),
            ("service", owner.namespace, owner.service_name),
        ]
        found = {held.place: held for handle in handles for held in self.slices.find(handle)}
        return [
            found[place]
            for place in sorted(found)
            if slice_ownership(found[place].value.marks, owner) in _NEAR
        ]

    def _resource_changed(self, old: Held[Resource] | None, new: Held[Resource] | None) -> None:
        if not (old and new and self._is_report(old.value, new.value)):
            self._mark(Key(*held.place) for held in (old, new) if held)

    def _is_report(self, old: Resource, new: Resource) -> bool:
        """Tell whether all that changed is our report, of which the watch told before its answer.

        It would be a reason for another pass, and what has failed would be tried at once.
        """
        reported = self._reporting.get(new.key)
        version = {"resource_version": new.metadata.resource_version}
        return (
            reported is not None
            and new.status is not None
            and new.status.to_object() == reported.to_object()
            and new.metadata == old.metadata.model_copy(update=version)
        )

    def _slice_changed(self, old: Held[HeldSlice] | None, new: Held[HeldSlice] | None) -> None:
        for held in filter(None, (old, new)):
            marks, namespace = held.value.marks, held.namespace
            self._mark_owner(namespace, owner_name(marks))
            self._mark_found(("resource", namespace, resource_label(marks)))
            self._mark_found(("service", namespace, held.value.service_name))

    def _service_changed(self, old: Held[Any] | None, new: Held[Any] | None) -> None:
        for held in filter(None, (old, new)):
            self._mark_owner(held.namespace, owner_name(held.value))
            self._mark_found(("service", held.namespace, held.name))

    def _mark_owner(self, namespace: str, name: str | None) -> None:
        if name is not None:
            self._mark([Key(namespace, name)])

    def _mark_found(self, handle: tuple[str, str, str | None]) -> None:
        self._mark(Key(*held.place) for held in self.resources.find(handle))

    def _mark(self, keys: Iterable[Key]) -> None:
        before = len(self._changed)
        self._changed.update(keys)
        if len(self._changed) > before:
            self.on_change()


def _resource_handles(held: Held[Resource]) -> Iterable[tuple[str, ...]]:
    if isinstance(held.value, TailscaleEndpoints):
        owner = owner_of(held.value, "")
        yield ("resource", held.namespace, owner.resource_label)
        if owner.service_name is not None:
            yield ("service", held.namespace, owner.service_name)


def _slice_handles(held: Held[HeldSlice]) -> Iterable[tuple[str, ...]]:
    marks = held.value.marks
    if uid := owner_uid(marks):
        yield ("uid", uid)
    if label := resource_label(marks):
        yield ("resource", held.namespace, label)
    if name := held.value.service_name:
        yield ("service", held.namespace, name)


def _service_handles(held: Held[Any]) -> Iterable[tuple[str, ...]]:
    if uid := owner_uid(held.value):
        yield ("uid", uid)
