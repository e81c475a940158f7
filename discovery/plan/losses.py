"""Losses: endpoints that a pass no longer wants, each with the cause of its removal.

What a resource has is read from its EndpointSlices, so that a pass after a restart finds the same
losses as one that never stopped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from discovery.plan.endpoints import Resolution, Source
from discovery.plan.endpointslice import EndpointSlice
from discovery.plan.gate import Exclusion, usable_addresses
from discovery.plan.policy import TailnetPolicy
from discovery.tailnet import Device
from discovery.v1alpha1 import TailscaleEndpointsSpec


class RemovalCause(StrEnum):
    """Why an endpoint is to go, as plans, events, conditions, logs and metrics spell it."""

    ABSENT = "Absent"
    UNTAGGED = "Untagged"
    INELIGIBLE = "Ineligible"
    CONFIG_CHANGED = "ConfigChanged"
    SPEC_CHANGED = "SpecChanged"
    STATIC_REMOVED = "StaticRemoved"
    RESOURCE_DELETED = "ResourceDeleted"
    REASSIGNED = "Reassigned"


GUARDED: Final = frozenset(
    {
        RemovalCause.ABSENT,
        RemovalCause.UNTAGGED,
        RemovalCause.INELIGIBLE,
        RemovalCause.CONFIG_CHANGED,
    }
)
"""Causes that a fault could feign; the others follow from what a user wrote, or protect traffic."""

MEANINGS: Final[Mapping[RemovalCause, str]] = {
    RemovalCause.ABSENT: "missing from the device list",
    RemovalCause.UNTAGGED: "no longer selected by their tags",
    RemovalCause.INELIGIBLE: "not eligible any more",
    RemovalCause.CONFIG_CHANGED: "left out since the tailnet's configuration changed",
    RemovalCause.SPEC_CHANGED: "left out by the edited spec",
    RemovalCause.STATIC_REMOVED: "no longer in spec.endpoints",
    RemovalCause.RESOURCE_DELETED: "of a resource that is deleted",
    RemovalCause.REASSIGNED: "at an address that is another device's by now",
}


@dataclass(frozen=True, slots=True, order=True)
class Loss:
    """An endpoint that is in a slice and no longer wanted. ``detail`` is what shows it.

    ``node_id`` is empty for one that was static. ``by_edit`` says that an edit of the spec explains
    it, or could: after a restart nobody knows how the device was before.
    """

    node_id: str
    name: str
    cause: RemovalCause
    detail: str = ""
    by_edit: bool = False

    @property
    def is_guarded(self) -> bool:
        """Whether it needs more than one list's word."""
        return self.cause in GUARDED


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a resource has in its slices: the names and the addresses of each node.

    ``static`` are the names of endpoints without one: those are the user's.
    """

    names: Mapping[str, str]
    addresses: Mapping[str, frozenset[str]]
    static: frozenset[str] = frozenset()

    @classmethod
    def of(cls, slices: Iterable[EndpointSlice]) -> "Baseline":
        """Read it back from the slices, each endpoint as it is there."""
        names: dict[str, str] = {}
        addresses: dict[str, set[str]] = {}
        endpoints = [endpoint for held in slices for endpoint in held.endpoints]
        for endpoint in endpoints:
            if endpoint.node_id:
                known = names.setdefault(endpoint.node_id, endpoint.name)
                names[endpoint.node_id] = min(known, endpoint.name)
                addresses.setdefault(endpoint.node_id, set()).add(endpoint.address)
        return cls(
            names,
            {node: frozenset(found) for node, found in addresses.items()},
            frozenset(e.name for e in endpoints if not e.node_id),
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """The devices of the verified list, who is excluded by what, and who has each address."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    excluded: Mapping[str, Exclusion] = field(default_factory=dict)
    by_address: Mapping[str, Device] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a pass wants, and what could explain that it wants less than before.

    ``edited`` says that the spec changed since it was last carried out; ``before`` holds devices as
    they were when they were last endpoints of the resource, none after a restart; ``reconfigured``
    says that the tailnet's configuration changed.
    """

    spec: TailscaleEndpointsSpec
    policy: TailnetPolicy
    resolution: Resolution
    edited: bool = False
    before: Mapping[str, Device] = field(default_factory=dict)
    reconfigured: bool = False


def losses(baseline: Baseline, wanted: Wanted, listed: Listed) -> tuple[Loss, ...]:
    """Return the losses of a pass, by node ID."""
    endpoints = wanted.resolution.endpoints
    stays = {e.node_id for e in endpoints if e.source is Source.TAG_SELECTOR}
    left = baseline.static - {e.name for e in endpoints}
    discovered = [
        _loss(node, name, baseline.addresses[node], wanted, listed)
        for node, name in baseline.names.items()
        if node not in stays
    ]
    return tuple(sorted([*discovered, *(Loss("", n, RemovalCause.STATIC_REMOVED) for n in left)]))


def _loss(node: str, name: str, addresses: Iterable[str], wanted: Wanted, listed: Listed) -> Loss:
    """Return one loss. A stranger gets no traffic, and what a user wrote holds, whatever else."""
    found = (listed.by_address.get(address) for address in addresses)
    strangers = {owner.node_id for owner in found if owner is not None} - {node}
    if strangers:
        detail = f"its address is {min(strangers)}'s"
        return Loss(node, name, RemovalCause.REASSIGNED, detail)
    refused = {r.exclusion for r in wanted.resolution.refused if r.node_id == node}
    if Exclusion.SAME_ADDRESS in refused:
        detail = "a static endpoint has its address and port"
        return Loss(node, name, RemovalCause.SPEC_CHANGED, detail)
    known = wanted.before.get(node)
    if wanted.edited and known is not None and not _is_selected(known, wanted):
        detail = "the spec does not select it as it last was"
        return Loss(node, name, RemovalCause.SPEC_CHANGED, detail, by_edit=True)
    device = listed.devices.get(node)
    if device is None:
        return Loss(node, name, RemovalCause.ABSENT, "not in the device list")
    exclusion = listed.excluded.get(node)
    if Exclusion.ADDRESS_FAMILY in refused:
        exclusion = Exclusion.ADDRESS_FAMILY
    cause = _cause_by(exclusion, reconfigured=wanted.reconfigured)
    by_edit = wanted.edited and known is None and cause is RemovalCause.UNTAGGED
    return Loss(node, name, cause, exclusion or f"tags {', '.join(device.tags)}", by_edit)


def _cause_by(exclusion: Exclusion | None, *, reconfigured: bool) -> RemovalCause:
    """Return the cause of the loss of a device that is listed: its state, its tags, or ours."""
    if reconfigured and exclusion in {None, Exclusion.DENIED_ADDRESS}:
        return RemovalCause.CONFIG_CHANGED
    if exclusion in {None, Exclusion.UNTAGGED}:
        return RemovalCause.UNTAGGED
    return RemovalCause.INELIGIBLE


def _is_selected(device: Device, wanted: Wanted) -> bool:
    """Tell whether the spec selects a device: by its tags, and by the address families it wants."""
    spec = wanted.spec
    families = {6 if family == "IPv6" else 4 for family in spec.discovery.address_families}
    return spec.selector.matches(device.tags, wanted.policy.grammar) and any(
        address.version in families for address in usable_addresses(device)
    )
