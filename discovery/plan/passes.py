"""A pass: from everything that one is made of to the changes it wants and what it saw.

All that a pass depends on is in its :class:`Inputs`, time included, so that a recorded one gives
the same changes, decisions and words again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from discovery.plan.blocked import blocked, explained
from discovery.plan.changes import Action, Change, Changes
from discovery.plan.endpoints import Endpoint, Resolution
from discovery.plan.guard import Decision
from discovery.plan.losses import Loss
from discovery.plan.observed import Observed, Rejection, Sync
from discovery.plan.owner import Owner, Ownership, owner_of, service_ownership, slice_ownership
from discovery.plan.port_table import PortConflictError
from discovery.plan.ports import Port
from discovery.plan.removal import Kept, Seen, keep
from discovery.plan.service import ServicePlan, desired_service, diff_service
from discovery.plan.slices import EndpointSlice, desired, diff
from discovery.plan.trust import Freshness
from discovery.v1alpha1 import Key, TailscaleEndpoints

_LEFT: Final = frozenset({Ownership.OURS, Ownership.ADOPTABLE})


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a pass is made of: the resource and its tailnet, and what exists for it.

    ``services`` are those that it has or wants, as they are; ``mirrored`` says that slices made
    from a hand-made Endpoints object are in its Service. ``now`` is the time of the pass.
    """

    seen: Seen
    services: tuple[Mapping[str, Any], ...]
    mirrored: bool
    instance: str
    freshness: Freshness
    now: datetime


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

    @property
    def decision(self) -> Decision:
        """The guard's decision; an empty one where there was nothing to decide."""
        return self.observed.decision or Decision()

    @property
    def removed(self) -> tuple[Loss, ...]:
        """The losses that the pass carries out."""
        return self.decision.released if self.writes else ()


def plan_pass(inputs: Inputs) -> Pass:
    """Return what a pass over the resource does; nothing is written."""
    seen, resource, policy = inputs.seen, inputs.seen.resource, inputs.seen.policy
    observed = Observed(inputs.freshness, Sync.NO_DEVICE_LIST)
    if not policy.admits(resource.key.namespace):
        text = f"The grants of {policy.tailnet} do not name this namespace."
        return _rejected(resource, observed, Rejection("NotGranted", text))
    needs_list = resource.spec.selector.terms or policy.grants is not None
    if seen.evidence.fetched_at is None and needs_list:
        return Pass(resource, observed)
    try:
        kept = keep(seen)
    except PortConflictError as conflict:
        return _rejected(resource, observed, Rejection("PortConflict", f"{conflict}."))
    return _planned(inputs, kept, replace(observed, resolution=kept.resolution))


def plan_removal(
    key: Key,
    services: Iterable[Mapping[str, Any]],
    slices: Iterable[EndpointSlice],
    instance: str,
    uid: str = "",
) -> tuple[Change, ...]:
    """Return the end of what a resource that is gone has left; what is not ours stays."""
    owner = Owner(key.namespace, key.name, uid, None, headless=True, instance=instance)
    manifests = [held.manifest() for held in slices]
    left = [one for one in services if service_ownership(one, owner) in _LEFT]
    left += [one for one in manifests if slice_ownership(one, owner) in _LEFT]
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


def _planned(inputs: Inputs, kept: Kept, observed: Observed) -> Pass:
    seen, resolution, decision = inputs.seen, kept.resolution, kept.decision
    owner = owner_of(seen.resource, inputs.instance)
    service = _plan_service(owner, resolution.service_ports, inputs.services)
    # While the Service is a stranger's no slice may carry its name, so that there is none.
    endpoints: tuple[Endpoint, ...] = () if service.conflict else resolution.endpoints
    ready = _ready(seen.slices)

    def readiness(address: IPv4Address | IPv6Address, port: Port) -> bool:
        return ready.get((str(address), port.name), True)

    trigger_time = seen.evidence.fetched_at or inputs.now
    slices = diff(seen.slices, desired(owner, endpoints, readiness), trigger_time)
    slices = explained(slices, decision.released)
    changes = (*service.changes, *slices)
    sync, detail = Sync.SYNCED, ""
    if service.conflict:
        sync, detail = Sync.SERVICE_CONFLICT, f"{service.conflict}."
    if not seen.writes:
        sync, detail = Sync.OBSERVE_ONLY, _would_write(changes)
    rules = seen.policy.removal.of_resource(seen.resource.spec.discovery.removal)
    observed = replace(
        observed,
        sync=sync,
        detail=detail,
        slices=_slices_after(seen.slices, slices),
        foreign_endpoints=service.has_selector or inputs.mirrored,
        ready=ready,
        decision=decision,
        blocked=blocked(seen.resource.key, decision, kept.size, seen.evidence, rules),
        policy_digest=seen.policy.digest,
    )
    return Pass(seen.resource, observed, (*((c,) for c in service.changes), *slices.groups))


def _rejected(resource: TailscaleEndpoints, seen: Observed, rejection: Rejection) -> Pass:
    return Pass(resource, replace(seen, sync=Sync.NOT_ACCEPTED, rejection=rejection))


def _plan_service(
    owner: Owner, ports: Iterable[Port], services: Iterable[Mapping[str, Any]]
) -> ServicePlan:
    """Plan the wanted Service, and the end of those of ours that have another name."""
    wanted = desired_service(owner, ports)
    by_name = {service["metadata"]["name"]: service for service in services}
    current = by_name.pop(owner.service_name, None) if owner.service_name else None
    ends = [
        change for left in by_name.values() for change in diff_service(left, None, owner).changes
    ]
    plan = diff_service(current, wanted, owner)
    return replace(plan, changes=(*plan.changes, *ends))


def _ready(slices: Iterable[EndpointSlice]) -> dict[tuple[str, str], bool]:
    """Return the condition that slices carry for each address and port name."""
    return {
        (endpoint.address, port.name): endpoint.ready
        for held in slices
        for endpoint in held.endpoints
        for port in held.ports
    }


def _slices_after(slices: Iterable[EndpointSlice], changes: Changes) -> int:
    before = sum(not held.deleting for held in slices)
    counts = changes.counts
    return before + counts.get(Action.CREATE, 0) - counts.get(Action.DELETE, 0)


def _would_write(changes: Sequence[Change]) -> str:
    if not changes:
        return "Mode Observe: there is nothing to write."
    counts = {action: sum(change.action is action for change in changes) for action in Action}
    listed = ", ".join(f"{action} {number}" for action, number in counts.items() if number)
    return f"Mode Observe: a pass would {listed} of Service and EndpointSlices."
