"""Removal: from what a resource has and what it selects to what it keeps, and why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from discovery.plan.endpoints import Resolution, Source
from discovery.plan.endpointslice import EndpointSlice
from discovery.plan.evidence import Evidence
from discovery.plan.guard import APPROVAL_ANNOTATION, Case, Decision, decide
from discovery.plan.losses import Baseline, Listed, Wanted, losses
from discovery.plan.policy import TailnetPolicy
from discovery.plan.resolve import Candidates, resolve
from discovery.plan.retention import held_endpoints, held_nodes, with_known_nodes
from discovery.tailnet import Device, UnknownDevice
from discovery.v1alpha1 import TailscaleEndpoints


@dataclass(frozen=True, slots=True)
class Seen:
    """All that decides which endpoints a resource has after a pass.

    ``matched`` are the eligible devices that it selects; ``listed`` need hold no other devices than
    those of ``slices`` and the owners of their addresses and of the static ones. ``before`` holds
    the devices as they last were endpoints of the resource, none after a restart. ``writes`` is
    false where the pass only observes.
    """

    resource: TailscaleEndpoints
    slices: Sequence[EndpointSlice]
    policy: TailnetPolicy
    matched: Sequence[Device] = ()
    listed: Listed = field(default_factory=Listed)
    unknown: Sequence[UnknownDevice] = ()
    evidence: Evidence = field(default_factory=Evidence)
    before: Mapping[str, Device] = field(default_factory=dict)
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Kept:
    """What a resource comes to with all that it must keep, and the guard's decision on the rest.

    ``size`` is how many discovered endpoints it had.
    """

    resolution: Resolution
    decision: Decision
    size: int


def keep(seen: Seen) -> Kept:
    """Resolve a resource, and hold what may not go yet. Raises PortConflictError."""
    status = seen.resource.status
    known = with_known_nodes(seen.slices, status.endpoints if status else ())
    seen = replace(seen, slices=known)
    unknown = held_nodes(seen.slices, seen.unknown)
    resolution = _resolved(seen, unknown)
    baseline = Baseline.of(seen.slices)
    generation = seen.resource.metadata.generation
    known_policy = status.policy_hash if status else ""
    wanted = Wanted(
        seen.resource.spec,
        seen.policy,
        resolution,
        edited=status is not None and status.observed_generation != generation,
        before=seen.before,
        reconfigured=known_policy not in {"", seen.policy.digest},
    )
    found = losses(baseline, wanted, seen.listed)
    confirmed = frozenset(
        loss.node_id
        for loss in found
        if seen.evidence.confirms(loss, seen.listed, seen.policy.denied)
    )
    case = Case(
        losses=found,
        size=len(baseline.names),
        remaining=sum(e.source is Source.TAG_SELECTOR for e in resolution.endpoints),
        confirmed=confirmed,
        approval=seen.resource.metadata.annotations.get(APPROVAL_ANNOTATION, ""),
        writes=seen.writes,
    )
    rules = seen.policy.removal.of_resource(seen.resource.spec.discovery.removal)
    decision = decide(case, seen.evidence, rules, status.removal if status else None)
    if decision.held:
        resolution = _resolved(seen, unknown, {loss.node_id for loss in decision.held})
    return Kept(resolution, decision, case.size)


def _resolved(seen: Seen, unknown: Collection[str], held: Collection[str] = ()) -> Resolution:
    """Resolve with what is kept as it is in the slices; ``held`` are not wanted as they are now."""
    matched = [device for device in seen.matched if device.node_id not in held]
    nodes = {*unknown, *held} - {device.node_id for device in matched}
    endpoints = held_endpoints(seen.slices, nodes, seen.resource.spec.discovery.ports)
    candidates = Candidates(matched, seen.listed.by_address, endpoints)
    return resolve(seen.resource, candidates, seen.policy)
