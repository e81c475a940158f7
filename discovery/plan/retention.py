"""Retention: what stays although nothing selects it.

An entry of the list that could not be read is unknown, and unknown is not absent; and what the
guard holds is not gone yet. The EndpointSlices are the persisted last good state, so what stays is
read back from them: a pass after a restart keeps the same endpoints as one that never stopped.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address

from msgspec import structs

from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.ports import Port
from discovery.plan.slices import EndpointSlice, SliceEndpoint
from discovery.tailnet import UnknownDevice
from discovery.v1alpha1 import DiscoveryPort, EndpointStatus


def held_nodes(current: Iterable[EndpointSlice], unknown: Iterable[UnknownDevice]) -> set[str]:
    """Return the node IDs whose endpoints in ``current`` must stay although nothing selects them.

    An entry whose own node ID is unreadable may be any device: it holds none by name, and the list
    that it stands in removes nothing (:class:`~discovery.plan.evidence.Evidence`).
    """
    nodes = {e.node_id for s in current for e in s.endpoints if e.node_id}
    return nodes & {entry.node_id for entry in unknown if entry.node_id is not None}


def with_known_nodes(
    current: Sequence[EndpointSlice], entries: Iterable[EndpointStatus]
) -> tuple[EndpointSlice, ...]:
    """Return the slices with the node IDs that status still knows.

    Whoever takes the annotation off a slice must not make a discovered endpoint look like a static
    one, which nothing guards. Status lists a bounded number of endpoints: beyond that it can.
    """
    known = {
        (entry.name, entry.address.rpartition(":")[0].strip("[]")): entry.node_id
        for entry in entries
        if entry.node_id and entry.source == Source.TAG_SELECTOR.value
    }
    return tuple(
        held
        if all(e.node_id or (e.name, e.address) not in known for e in held.endpoints)
        else replace(held, endpoints=tuple(_known(e, known) for e in held.endpoints))
        for held in current
    )


def _known(endpoint: SliceEndpoint, known: Mapping[tuple[str, str], str]) -> SliceEndpoint:
    node = endpoint.node_id or known.get((endpoint.name, endpoint.address), "")
    return structs.replace(endpoint, node_id=node)


def held_endpoints(
    current: Iterable[EndpointSlice], nodes: Collection[str], declared: Iterable[DiscoveryPort]
) -> tuple[Endpoint, ...]:
    """Rebuild the endpoints of these nodes from their slices, sorted by name."""
    checked = {p.name for p in declared if p.health_check is not None and p.health_check.enabled}
    addresses: dict[tuple[str, str], set[str]] = {}
    ports: dict[tuple[str, str], set[Port]] = {}
    for held in current:
        for endpoint in held.endpoints:
            if endpoint.node_id in nodes:
                place = (endpoint.name, endpoint.node_id)
                addresses.setdefault(place, set()).add(endpoint.address)
                ports.setdefault(place, set()).update(held.ports)
    return tuple(
        Endpoint(
            name=name,
            source=Source.TAG_SELECTOR,
            node_id=node_id,
            fqdn="",
            addresses=tuple(
                sorted(
                    (ip_address(a) for a in addresses[name, node_id]),
                    key=lambda a: (a.version, int(a)),
                )
            ),
            ports=tuple(
                sorted(
                    Port(p.name, p.number, p.transport, p.app_protocol, p.name in checked)
                    for p in ports[name, node_id]
                )
            ),
            held=True,
        )
        for name, node_id in sorted(addresses)
    )
