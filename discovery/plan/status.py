"""The status of a resource, from what a pass saw; written only when it says something new."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from discovery.plan.conditions import NO_CHECKS, conditions, sayings
from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.guard import Decision, Hold
from discovery.plan.losses import RemovalCause
from discovery.plan.observed import Observed, Sync
from discovery.plan.ports import Port
from discovery.v1alpha1 import ObjectMeta
from discovery.v1alpha1_status import (
    Condition,
    EndpointStatus,
    EndpointVerdict,
    TailscaleEndpointsStatus,
)

MAX_ENTRIES = 256
"""Entries that ``status.endpoints`` lists; the full set is in the EndpointSlices."""

_COMPLETE = frozenset({Sync.SYNCED, Sync.OBSERVE_ONLY})
_VERDICTS = frozenset({EndpointVerdict.HEALTHY, EndpointVerdict.UNHEALTHY})


class Reported(Protocol):
    """A resource as far as its status goes: one whose spec can not be read has that much too."""

    @property
    def metadata(self) -> ObjectMeta:
        """Its metadata."""
        ...

    @property
    def status(self) -> TailscaleEndpointsStatus | None:
        """What was last said of it."""
        ...


def report(resource: Reported, observed: Observed, now: datetime) -> TailscaleEndpointsStatus:
    """Return the status that the resource should have after this pass.

    Where the resource could not be resolved, what the last status said of endpoints stands; where
    only the device list is missing, so do its conditions, as long as the spec is the same.
    ``observedGeneration`` advances only after every write of that generation succeeded, and while
    nothing that an edit removes waits for a person.
    """
    previous = resource.status or TailscaleEndpointsStatus()
    generation = resource.metadata.generation
    if observed.resolution is None:
        same = observed.sync is Sync.NO_DEVICE_LIST and previous.observed_generation == generation
        standing = previous.conditions if same else ()
        said = sayings(observed, previous.endpoints, standing)
        update = {"conditions": conditions(said, generation, previous.conditions, now)}
        return previous.model_copy(update=update)
    endpoints = observed.resolution.endpoints
    entries = _entries(endpoints, observed, previous.endpoints)
    said = sayings(observed, entries)
    verdicts = _verdicts_by_name(entries)
    decision = observed.decision or Decision(memory=previous.removal)
    holds = set(decision.held.values())
    complete = observed.sync in _COMPLETE and Hold.SELECTS_NOTHING not in holds
    return TailscaleEndpointsStatus(
        conditions=conditions(said, generation, previous.conditions, now),
        endpoints=entries[:MAX_ENTRIES],
        vip_services=previous.vip_services,
        removal=decision.memory,
        policy_hash=previous.policy_hash
        if any(loss.cause is RemovalCause.CONFIG_CHANGED for loss in decision.held)
        else observed.policy_digest,
        observed_generation=generation if complete else previous.observed_generation,
        discovered_endpoints=sum(e.source is Source.TAG_SELECTOR for e in endpoints),
        total_endpoints=len(endpoints),
        healthy_endpoints=sum(v == {EndpointVerdict.HEALTHY} for v in verdicts),
        unhealthy_endpoints=sum(EndpointVerdict.UNHEALTHY in v for v in verdicts),
        last_sync=now if observed.sync is Sync.SYNCED else previous.last_sync,
        truncated=len(entries) > MAX_ENTRIES,
    )


def says_something_new(
    status: TailscaleEndpointsStatus, previous: TailscaleEndpointsStatus | None
) -> bool:
    """Tell whether the status is worth a write.

    Times alone never are, nor is the count of offline devices in a resource without health checks.
    """
    return previous is None or _substance(status) != _substance(previous)


def _substance(status: TailscaleEndpointsStatus) -> TailscaleEndpointsStatus:
    return status.model_copy(
        update={
            "last_sync": None,
            "endpoints": tuple(
                entry.model_copy(update={"last_checked": None}) for entry in status.endpoints
            ),
            "conditions": tuple(_wording(condition) for condition in status.conditions),
        }
    )


def _wording(condition: Condition) -> Condition:
    changing: dict[str, object] = {"last_transition_time": None}
    if condition.reason == NO_CHECKS:
        changing["message"] = ""
    return condition.model_copy(update=changing)


def _entries(
    endpoints: Iterable[Endpoint], observed: Observed, previous: Sequence[EndpointStatus]
) -> tuple[EndpointStatus, ...]:
    """Return one entry for each address and port: unhealthy first, then by name and address."""
    before = {(entry.name, entry.address): entry for entry in previous if entry.status in _VERDICTS}
    entries = [
        _entry(endpoint, address, port, before, observed)
        for endpoint in endpoints
        for address in endpoint.addresses
        for port in endpoint.ports
    ]
    return tuple(
        sorted(
            entries,
            key=lambda e: (e.status is not EndpointVerdict.UNHEALTHY, e.name, e.address),
        )
    )


def _entry(
    endpoint: Endpoint,
    address: IPv4Address | IPv6Address,
    port: Port,
    before: dict[tuple[str, str], EndpointStatus],
    observed: Observed,
) -> EndpointStatus:
    spelled = _spelled(address, port.number)
    fields = {"name": endpoint.name, "address": spelled, "source": endpoint.source}
    if endpoint.node_id:
        fields["node_id"] = endpoint.node_id
    known = before.get((endpoint.name, spelled))
    if not port.checked:
        return EndpointStatus(status=EndpointVerdict.UNCHECKED, **fields)
    # The last verdict stands as long as the slices still say the same.
    ready = observed.ready.get((str(address), port.name), True)
    if known is None or ready is (known.status is EndpointVerdict.UNHEALTHY):
        return EndpointStatus(status=EndpointVerdict.UNKNOWN, **fields)
    return known.model_copy(update=fields)


def _verdicts_by_name(entries: Iterable[EndpointStatus]) -> list[set[EndpointVerdict]]:
    """Return what the health checks of each name say; ports without one say nothing."""
    verdicts: dict[str, set[EndpointVerdict]] = {}
    for entry in entries:
        if entry.status is not EndpointVerdict.UNCHECKED:
            verdicts.setdefault(entry.name, set()).add(entry.status)
    return list(verdicts.values())


def _spelled(address: IPv4Address | IPv6Address, port: int) -> str:
    return f"{address}:{port}" if isinstance(address, IPv4Address) else f"[{address}]:{port}"
