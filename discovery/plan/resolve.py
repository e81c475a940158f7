"""Resolve: what a resource's static entries and selectors come to on a given tailnet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from discovery.addresses import is_tailnet_address
from discovery.plan.endpoints import Endpoint, Refused, Resolution, Source
from discovery.plan.gate import Exclusion, is_denied, usable_addresses
from discovery.plan.naming import assign, label_of
from discovery.plan.policy import TailnetPolicy
from discovery.plan.port_table import PortTable, port_table
from discovery.plan.ports import Port, Transport
from discovery.tailnet import Device
from discovery.v1alpha1 import StaticEndpoint, TailscaleEndpoints


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a resource may draw on: the devices its selectors match, and the owners of addresses.

    ``matched`` are eligible devices in any order; ``by_address`` holds the devices of the tailnet
    under each address that a static or held endpoint may have; ``held`` are endpoints to keep as
    they are, unless the address of one is by now another device's: a stranger gets no traffic.
    """

    matched: Sequence[Device] = ()
    by_address: Mapping[str, Device] = field(default_factory=dict)
    held: Sequence[Endpoint] = ()


def resolve(
    resource: TailscaleEndpoints, candidates: Candidates, policy: TailnetPolicy
) -> Resolution:
    """Turn a resource and the devices it may draw on into endpoints.

    The order of the candidates is irrelevant. Raises PortConflictError where the ports of the
    resource can not stand in one Service.
    """
    table = port_table(resource.spec, policy.grammar)
    static, refused_static = _static_endpoints(resource, candidates.by_address, table, policy)
    reserved = {e.name: "a static endpoint" for e in static}
    held, strangers = _held(candidates)
    held, renamed = _apart_from(held, reserved)
    reserved |= {e.name: f"device {e.node_id}" for e in held}
    granted, refused_devices = _granted(resource, candidates.matched, policy)
    names, collisions = assign(
        ((d.node_id, label_of(d.name, d.node_id)) for d, _ in granted), reserved
    )
    discovered: list[Endpoint] = []
    ignored: list[str] = []
    by_default = False
    for device, addresses in granted:
        ports = table.of_device(device.tags)
        by_default = by_default or ports.by_default
        name = names[device.node_id]
        discovered.append(_discovered(name, device, addresses, ports.ports))
        ignored += (f"{name}: {reason}" for reason in ports.ignored)
    kept, refused_twice = _without_taken([*discovered, *held], static)
    return Resolution(
        endpoints=tuple(sorted((*static, *kept), key=lambda e: e.name)),
        service_ports=table.service,
        refused=tuple(
            sorted(
                (*refused_static, *refused_devices, *refused_twice, *strangers),
                key=lambda r: (r.name, r.node_id, r.exclusion),
            )
        ),
        collisions=(*renamed, *collisions),
        ignored_tags=tuple(sorted(ignored)),
        uses_default_port=by_default,
    )


_Place = tuple[IPv4Address | IPv6Address, int, Transport]
"""Address, port number and transport: what only one endpoint can have."""


def _static_endpoints(
    resource: TailscaleEndpoints,
    by_address: Mapping[str, Device],
    table: PortTable,
    policy: TailnetPolicy,
) -> tuple[list[Endpoint], list[Refused]]:
    kept: list[Endpoint] = []
    refused: list[Refused] = []
    taken: dict[_Place, str] = {}
    for entry in sorted(resource.spec.endpoints, key=lambda e: e.name):
        address = ip_address(entry.tailscale_ip)
        device = by_address.get(entry.tailscale_ip)
        port = table.of_static(entry)
        place = (address, port.number, port.transport)
        node_id = device.node_id if device else ""
        reason = _static_exclusion(address, device, resource.key.namespace, policy)
        if reason is not None:
            refused.append(Refused(entry.name, node_id, reason, entry.tailscale_ip))
        elif place in taken:
            refused.append(Refused(entry.name, node_id, Exclusion.SAME_ADDRESS, taken[place]))
        else:
            taken[place] = entry.name
            kept.append(_static(entry, address, device, port))
    return kept, refused


def _static_exclusion(
    address: IPv4Address | IPv6Address,
    device: Device | None,
    namespace: str,
    policy: TailnetPolicy,
) -> Exclusion | None:
    if not is_tailnet_address(address):
        return Exclusion.NO_ADDRESS
    if is_denied(address, policy.denied):
        return Exclusion.DENIED_ADDRESS
    if policy.grants is None:
        return None
    granted = device is not None and policy.grants_device(namespace, device.tags)
    return None if granted else Exclusion.NOT_GRANTED


def _static(
    entry: StaticEndpoint,
    address: IPv4Address | IPv6Address,
    device: Device | None,
    port: Port,
) -> Endpoint:
    return Endpoint(
        name=entry.name,
        source=Source.STATIC,
        node_id=device.node_id if device else "",
        fqdn=entry.tailscale_fqdn,
        addresses=(address,),
        ports=(port,),
        tags=device.tags if device else (),
        connected=device.connected_to_control if device else None,
    )


def _granted(
    resource: TailscaleEndpoints, matched: Iterable[Device], policy: TailnetPolicy
) -> tuple[list[tuple[Device, tuple[IPv4Address | IPv6Address, ...]]], list[Refused]]:
    families = {6 if f == "IPv6" else 4 for f in resource.spec.discovery.address_families}
    granted = []
    refused = []
    for device in matched:
        if not policy.grants_device(resource.key.namespace, device.tags):
            refused.append(Refused(device.name, device.node_id, Exclusion.NOT_GRANTED))
            continue
        of_family = {
            a.version: a
            for a in reversed(usable_addresses(device, policy.denied))
            if a.version in families
        }
        if of_family:
            granted.append((device, tuple(of_family[v] for v in sorted(of_family))))
        else:
            refused.append(Refused(device.name, device.node_id, Exclusion.ADDRESS_FAMILY))
    return granted, refused


def _held(candidates: Candidates) -> tuple[list[Endpoint], list[Refused]]:
    """Return the held endpoints that may stay, and those whose address has a new owner."""
    kept: list[Endpoint] = []
    strangers: list[Refused] = []
    for endpoint in candidates.held:
        owners = [candidates.by_address.get(str(address)) for address in endpoint.addresses]
        new = [owner.node_id for owner in owners if owner and owner.node_id != endpoint.node_id]
        if new:
            refused = Refused(endpoint.name, endpoint.node_id, Exclusion.REASSIGNED, new[0])
            strangers.append(refused)
        else:
            kept.append(endpoint)
    return kept, strangers


def _apart_from(
    held: Iterable[Endpoint], static: Mapping[str, str]
) -> tuple[list[Endpoint], tuple[str, ...]]:
    """Give a held endpoint another name where a static one has its own by now."""
    held = list(held)
    reserved = dict(static) | {e.name: f"device {e.node_id}" for e in held if e.name not in static}
    names, collisions = assign(((e.node_id, e.name) for e in held if e.name in static), reserved)
    renamed = [replace(e, name=names[e.node_id]) if e.name in static else e for e in held]
    return renamed, collisions


def _discovered(
    name: str,
    device: Device,
    addresses: tuple[IPv4Address | IPv6Address, ...],
    ports: tuple[Port, ...],
) -> Endpoint:
    return Endpoint(
        name=name,
        source=Source.TAG_SELECTOR,
        node_id=device.node_id,
        fqdn=device.name,
        addresses=addresses,
        ports=ports,
        tags=device.tags,
        connected=device.connected_to_control,
    )


def _without_taken(
    endpoints: Iterable[Endpoint], static: Iterable[Endpoint]
) -> tuple[list[Endpoint], list[Refused]]:
    """Drop the ports that a static endpoint has at the same address: static wins."""
    taken = {(e.addresses[0], p.number, p.transport): e.name for e in static for p in e.ports}
    kept: list[Endpoint] = []
    refused: list[Refused] = []
    for endpoint in endpoints:
        lost = {
            port: taken[address, port.number, port.transport]
            for port in endpoint.ports
            for address in endpoint.addresses
            if (address, port.number, port.transport) in taken
        }
        if lost:
            detail = ", ".join(f"{p.number} is {name}'s" for p, name in lost.items())
            refused.append(Refused(endpoint.fqdn, endpoint.node_id, Exclusion.SAME_ADDRESS, detail))
        remaining = tuple(port for port in endpoint.ports if port not in lost)
        if remaining:
            kept.append(replace(endpoint, ports=remaining))
    return kept, refused
