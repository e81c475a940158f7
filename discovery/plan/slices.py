"""Slices: the EndpointSlices that a resource should have, and the changes from those it has."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from itertools import count

import msgspec

from discovery.plan.changes import Changes
from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.endpointslice import AddressType, EndpointSlice, Group, SliceEndpoint
from discovery.plan.owner import Owner
from discovery.plan.packing import pack
from discovery.plan.ports import Port
from discovery.plan.write_order import Write, in_order

__all__ = ["Desired", "EndpointSlice", "Group", "Readiness", "SliceEndpoint"]
__all__ += ["always_ready", "desired", "diff", "digest"]

Readiness = Callable[[IPv4Address | IPv6Address, Port], bool]
"""Says whether a checked port of an address counts as ready and serving."""


def always_ready(_address: IPv4Address | IPv6Address, _port: Port) -> bool:
    """Call everything ready, as where nothing probes."""
    return True


@dataclass(frozen=True, slots=True)
class Desired:
    """The endpoints that a resource's slices should hold: sorted, by group, no group empty."""

    owner: Owner
    groups: Mapping[Group, tuple[SliceEndpoint, ...]]


def desired(
    owner: Owner, endpoints: Iterable[Endpoint], readiness: Readiness = always_ready
) -> Desired:
    """Sort a resource's endpoints into groups; their order is irrelevant.

    A port without a check is ready, and ``readiness`` is not asked for it.
    """
    found: dict[Group, list[SliceEndpoint]] = {}
    known: dict[tuple[Port, ...], tuple[tuple[tuple[Port, ...], Port | None], ...]] = {}
    for endpoint in endpoints:
        sets = known.get(endpoint.ports)
        if sets is None:
            sets = known[endpoint.ports] = _port_sets(endpoint.ports)
        # The guard asks about nodes whose endpoints were discovered; a static one is the user's.
        node_id = endpoint.node_id if endpoint.source is Source.TAG_SELECTOR else ""
        for address in endpoint.addresses:
            family = AddressType.IPV4 if isinstance(address, IPv4Address) else AddressType.IPV6
            text = str(address)
            for ports, checked in sets:
                ready = checked is None or readiness(address, checked)
                found.setdefault(Group(family, ports), []).append(
                    SliceEndpoint(endpoint.name, text, node_id, ready, ready)
                )
    return Desired(owner, {group: tuple(sorted(found[group])) for group in sorted(found)})


def _port_sets(ports: Iterable[Port]) -> tuple[tuple[tuple[Port, ...], Port | None], ...]:
    """Split an endpoint's ports into those of one slice each, with the checked port if it is one.

    Conditions are per endpoint and checks per port, so that a checked port stands alone. A slice
    has each port name once: a name that comes again (a device held in the middle of a change of
    port number) stands alone too.
    """
    together: dict[str, Port] = {}
    alone: list[tuple[tuple[Port, ...], Port | None]] = []
    for port in sorted(ports):
        plain = replace(port, checked=False)
        if port.checked or port.name in together:
            alone.append(((plain,), port if port.checked else None))
        else:
            together[port.name] = plain
    return ((tuple(together.values()), None), *alone) if together else tuple(alone)


def diff(
    current: Sequence[EndpointSlice],
    wanted: Desired,
    trigger_time: datetime,
    taken: Collection[str] = (),
) -> Changes:
    """Return the writes that turn ``current`` into ``wanted``; nothing where nothing differs.

    ``current`` are the slices that are the resource's, or are to be adopted, in any order.
    ``trigger_time`` (aware) is when the list or verdict was fetched that caused the change; only
    slices whose endpoints change carry it. ``taken`` are names of slices that are not ours.

    Without endpoints there are no slices. Kubernetes keeps an empty one so that its controller can
    tell a Service it has seen; ours needs none, and consumers treat both alike.
    """
    owner = wanted.owner
    names = {*taken, *(held.name for held in current)}
    held_by_group: dict[Group, list[EndpointSlice]] = {group: [] for group in wanted.groups}
    writes: list[Write] = []
    for held in sorted(current, key=lambda s: s.name):
        if held.deleting:
            continue
        if held.service_name is not None and owner.service_name is None:
            # Its Service may be a stranger's by now: a label that is only no longer applied could
            # stay where another manager has it too.
            writes.append(Write(held.namespace, held.name, held, None))
        else:
            held_by_group.setdefault(held.group, []).append(held)
    template = _Template(owner, tuple(owner.slice_labels.items()), _timestamp(trigger_time))
    for group in sorted(held_by_group):
        endpoints = wanted.groups.get(group, ())
        writes += _group_writes(group, held_by_group[group], endpoints, template, names)
    return in_order(writes)


def digest(wanted: Desired) -> str:
    """Return a text that is equal for equal desired states, whenever their cause was fetched."""
    state = msgspec.json.encode((wanted.owner, list(wanted.groups.items())))
    return sha256(state).hexdigest()


@dataclass(frozen=True, slots=True)
class _Template:
    """What all slices of one resource have in common, and the stamp of those that change now."""

    owner: Owner
    labels: tuple[tuple[str, str], ...]
    stamp: str

    def is_stale(self, held: EndpointSlice) -> bool:
        """Tell whether a slice must be written whatever it holds."""
        return held.drifted or (held.labels, held.owner_uid) != (self.labels, self.owner.uid)

    def new(self, name: str, group: Group, endpoints: tuple[SliceEndpoint, ...]) -> EndpointSlice:
        return EndpointSlice(
            namespace=self.owner.namespace,
            name=name,
            address_type=group.address_type,
            ports=group.ports,
            endpoints=endpoints,
            labels=self.labels,
            owner_name=self.owner.name,
            owner_uid=self.owner.uid,
            trigger_time=self.stamp,
        )

    def updated(
        self, held: EndpointSlice, endpoints: tuple[SliceEndpoint, ...]
    ) -> EndpointSlice | None:
        """Return a slice as it is to be applied; None where nothing is left in it."""
        if not endpoints:
            return None
        kept_stamp = held.endpoints == endpoints
        new = self.new(held.name, held.group, endpoints)
        # With its version: what was decided on an old look must not overwrite what came since.
        return replace(
            new,
            uid=held.uid,
            resource_version=held.resource_version,
            trigger_time=held.trigger_time if kept_stamp else self.stamp,
        )


def _group_writes(
    group: Group,
    held: Sequence[EndpointSlice],
    endpoints: tuple[SliceEndpoint, ...],
    template: _Template,
    names: Collection[str],
) -> list[Write]:
    packing = pack(held, endpoints, {s.name for s in held if template.is_stale(s)})
    namespace = template.owner.namespace
    writes = [
        Write(namespace, s.name, s, template.updated(s, packing.contents[s.name]))
        for s in held
        if s.name in packing.contents
    ]
    free = _free_names(group.stem(template.owner.name), names)
    for name, content in zip(free, packing.added, strict=False):
        writes.append(Write(namespace, name, None, template.new(name, group, content)))
    return writes


def _free_names(stem: str, names: Collection[str]) -> Iterator[str]:
    """Yield names by index, lowest first, that are neither live nor being deleted."""
    return (name for index in count() if (name := f"{stem}-{index}") not in names)


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
