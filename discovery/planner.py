"""What a pass over a resource would do: tailnet, children and settings brought before the plan."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from discovery.plan.changes import Action, Change, Changes
from discovery.plan.endpoints import Endpoint, Resolution
from discovery.plan.observed import Observed, Rejection, Sync
from discovery.plan.owner import (
    Owner,
    Ownership,
    owner_of,
    service_ownership,
    slice_ownership,
)
from discovery.plan.port_table import PortConflictError
from discovery.plan.ports import Port
from discovery.plan.resolve import Candidates, resolve
from discovery.plan.retention import held_endpoints, held_nodes
from discovery.plan.service import ServicePlan, desired_service, diff_service
from discovery.plan.slices import desired, diff, digest
from discovery.plan.trust import Cause, Freshness
from discovery.source import Source
from discovery.stores import Children, Store, UnreadableResource
from discovery.v1alpha1 import Key, Mode, TailscaleEndpoints

_LEFT: Final = frozenset({Ownership.OURS, Ownership.ADOPTABLE})


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
            if tailnet in (source.policy.tailnet, *source.policy.domains):
                return source
        # A tailnet known only by its credentials has no name before its first list.
        return next((source for source in self._sources if not source.policy.tailnet), None)


async def remember_nodes(store: Store, sources: Sources) -> None:
    """Tell each tailnet which tagged nodes its resources' slices know: what a list is judged by."""
    keys: dict[Source, list[Key]] = {}
    for key in sorted(store.keys()):
        resource = store.get(key)
        if not isinstance(resource, TailscaleEndpoints):
            continue
        if (source := sources.of(resource.spec.tailnet)) is not None:
            keys.setdefault(source, []).append(key)
    for source, known in keys.items():
        source.tagged = frozenset(await store.known_nodes(known))


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over a resource comes to: the changes it wants, and what it saw.

    ``groups`` are the changes in their order; those of one group may be carried out side by side.
    """

    resource: TailscaleEndpoints
    observed: Observed
    groups: tuple[tuple[Change, ...], ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes, one after the other."""
        return tuple(change for group in self.groups for change in group)

    @property
    def writes(self) -> bool:
        """Whether the changes are to be carried out: Observe only shows them."""
        return self.observed.sync is not Sync.OBSERVE_ONLY

    @property
    def resolution(self) -> Resolution:
        """The endpoints and refusals; empty where nothing could be resolved."""
        return self.observed.resolution or Resolution()


class Planner:
    """Plans passes for one instance. ``mode`` Observe never writes any child."""

    def __init__(self, sources: Sources, instance: str, mode: Mode) -> None:
        self.sources = sources
        self._instance = instance
        self._mode = mode

    def define(
        self, resources: Mapping[Key, TailscaleEndpoints | UnreadableResource | None]
    ) -> None:
        """Take resources that came, changed or went into the selections of their tailnets."""
        for source in self.sources:
            source.selection.define(
                {
                    key: resource.spec
                    if isinstance(resource, TailscaleEndpoints)
                    and self.sources.of(resource.spec.tailnet) is source
                    else None
                    for key, resource in resources.items()
                }
            )

    def plan(self, resource: TailscaleEndpoints, children: Children, now: datetime) -> Pass:
        """Return what a pass over the resource would do; nothing is written."""
        source = self.sources.of(resource.spec.tailnet)
        if source is None:
            freshness = self._not_configured(resource.spec.tailnet)
            return Pass(resource, Observed(freshness, Sync.NO_DEVICE_LIST))
        seen = Observed(source.freshness(now), Sync.NO_DEVICE_LIST)
        if not source.policy.admits(resource.key.namespace):
            text = f"The grants of {source.policy.tailnet} do not name this namespace."
            return _rejected(resource, seen, Rejection("NotGranted", text))
        needs_list = resource.spec.selector.terms or source.policy.grants is not None
        if source.snapshot is None and needs_list:
            return Pass(resource, seen)
        try:
            resolution = resolve(resource, _candidates(resource, source, children), source.policy)
        except PortConflictError as conflict:
            return _rejected(resource, seen, Rejection("PortConflict", f"{conflict}."))
        fetched_at = source.snapshot.fetched_at if source.snapshot else now
        return self._planned(resource, children, replace(seen, resolution=resolution), fetched_at)

    def _not_configured(self, tailnet: str) -> Freshness:
        known = ", ".join(sorted(source.policy.tailnet for source in self.sources))
        text = (
            f"No tailnet named {tailnet} is configured, only {known}; endpoints stay as they are."
        )
        return Freshness(fresh=False, reason=Cause.NOT_CONFIGURED, message=text)

    def plan_removal(self, key: Key, children: Children, uid: str = "") -> tuple[Change, ...]:
        """Return the end of what a resource that is gone has left; what is not ours stays."""
        owner = Owner(key.namespace, key.name, uid, None, headless=True, instance=self._instance)
        slices = [held.manifest() for held in children.slices]
        left = [one for one in children.services if service_ownership(one, owner) in _LEFT]
        left += [one for one in slices if slice_ownership(one, owner) in _LEFT]
        return tuple(
            Change(
                Action.DELETE,
                child["kind"],
                key.namespace,
                child["metadata"]["name"],
                "The resource is being deleted." if uid else "The resource is gone.",
                child,
                None,
            )
            for child in left
        )

    def fingerprint(self, resource: TailscaleEndpoints, now: datetime) -> str | None:
        """Return a text that is equal while a resource wants the same, without a look at children.

        None where children matter for that: an unreadable device keeps what it has.
        """
        source = self.sources.of(resource.spec.tailnet)
        if source is None or source.snapshot is None or source.snapshot.unknown:
            return None
        planned = self.plan(resource, Children(), now)
        endpoints = planned.resolution.endpoints
        wanted = digest(desired(owner_of(resource, self._instance), endpoints))
        rest = replace(planned.observed, resolution=replace(planned.resolution, endpoints=()))
        return f"{wanted} {resource.metadata.generation} {rest}"

    def _planned(
        self, resource: TailscaleEndpoints, children: Children, seen: Observed, fetched_at: datetime
    ) -> Pass:
        resolution = seen.resolution or Resolution()
        owner = owner_of(resource, self._instance)
        service = _plan_service(owner, resolution.service_ports, children)
        # While the Service is a stranger's no slice may carry its name, so that there is none.
        endpoints: tuple[Endpoint, ...] = () if service.conflict else resolution.endpoints
        ready = _ready(children)

        def readiness(address: IPv4Address | IPv6Address, port: Port) -> bool:
            return ready.get((str(address), port.name), True)

        slices = diff(children.slices, desired(owner, endpoints, readiness), fetched_at)
        groups = (*((change,) for change in service.changes), *slices.groups)
        changes = (*service.changes, *slices)
        sync, detail = Sync.SYNCED, ""
        if service.conflict:
            sync, detail = Sync.SERVICE_CONFLICT, f"{service.conflict}."
        if Mode.OBSERVE in (self._mode, resource.spec.mode):
            sync, detail = Sync.OBSERVE_ONLY, _would_write(changes)
        seen = replace(
            seen,
            sync=sync,
            detail=detail,
            slices=_slices_after(children, slices),
            foreign_endpoints=service.has_selector or children.mirrored,
            ready=ready,
        )
        return Pass(resource, seen, groups)


def _rejected(resource: TailscaleEndpoints, seen: Observed, rejection: Rejection) -> Pass:
    return Pass(resource, replace(seen, sync=Sync.NOT_ACCEPTED, rejection=rejection))


def _candidates(resource: TailscaleEndpoints, source: Source, children: Children) -> Candidates:
    selection = source.selection
    matched = selection.matched(resource.key)
    unknown = source.snapshot.unknown if source.snapshot else ()
    nodes = held_nodes(children.slices, unknown, selection.devices, selection.excluded)
    nodes -= {device.node_id for device in matched}
    held = held_endpoints(children.slices, nodes, resource.spec.discovery.ports)
    return Candidates(matched, selection.by_address, held)


def _plan_service(owner: Owner, ports: Iterable[Port], children: Children) -> ServicePlan:
    """Plan the wanted Service, and the end of those of ours that have another name."""
    wanted = desired_service(owner, ports)
    by_name = {service["metadata"]["name"]: service for service in children.services}
    current = by_name.pop(owner.service_name, None) if owner.service_name else None
    ends = [
        change for left in by_name.values() for change in diff_service(left, None, owner).changes
    ]
    plan = diff_service(current, wanted, owner)
    return replace(plan, changes=(*plan.changes, *ends))


def _ready(children: Children) -> dict[tuple[str, str], bool]:
    """Return the condition that slices carry for each address and port name."""
    return {
        (endpoint.address, port.name): endpoint.ready
        for held in children.slices
        for endpoint in held.endpoints
        for port in held.ports
    }


def _slices_after(children: Children, changes: Changes) -> int:
    before = sum(not held.deleting for held in children.slices)
    counts = changes.counts
    return before + counts.get(Action.CREATE, 0) - counts.get(Action.DELETE, 0)


def _would_write(changes: Sequence[Change]) -> str:
    if not changes:
        return "Mode Observe: there is nothing to write."
    counts = {action: sum(change.action is action for change in changes) for action in Action}
    listed = ", ".join(f"{action} {number}" for action, number in counts.items() if number)
    return f"Mode Observe: a pass would {listed} of Service and EndpointSlices."
