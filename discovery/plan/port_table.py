"""Ports: names are decided once per resource, numbers are each machine's own.

A name comes from ``discovery.ports`` where one declares the same transport and number, else it is
``tcp-N`` or ``udp-N``. The Service has one port per name with the declared number; EndpointSlices
carry the name with the number that the device really listens on.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from discovery.plan.ports import Port, Transport
from discovery.v1alpha1 import DiscoveryPort, Protocol, StaticEndpoint, TailscaleEndpointsSpec
from tagselectors import TagGrammar

APP_PROTOCOLS: dict[Protocol, str] = {
    Protocol.HTTP: "http",
    Protocol.HTTPS: "https",
    Protocol.GRPC: "kubernetes.io/h2c",
}
"""Service ``appProtocol`` per protocol; TLS, TCP and UDP have none."""

MAX_PORT = 65535

_PROTOCOLS_BY_TAG = {protocol.value.lower(): protocol for protocol in Protocol}


class PortConflictError(ValueError):
    """Two ports of a resource that no Service can carry together. The text is for its author."""


@dataclass(frozen=True, slots=True)
class DevicePorts:
    """The ports of one discovered device, and what was ignored on the way, one sentence each.

    ``by_default`` says that neither the resource nor a tag names the port.
    """

    ports: tuple[Port, ...]
    ignored: tuple[str, ...] = ()
    by_default: bool = False


@dataclass(frozen=True, slots=True)
class PortTable:
    """The ports of one resource, decided once."""

    declared: tuple[Port, ...]
    is_default: bool
    service: tuple[Port, ...]
    grammar: TagGrammar

    def of_static(self, endpoint: StaticEndpoint) -> Port:
        """Return the one port of a static endpoint."""
        return _static_port(endpoint, self.declared)

    def of_device(self, tags: tuple[str, ...]) -> DevicePorts:
        """Return a discovered device's ports; its own ``tag:port-N`` and ``tag:protocol-P`` count.

        Such a tag counts only where at most one port is declared and exactly one such tag is there,
        so that it can mean one thing only.
        """
        numbers = self.grammar.values_of("port", tags)
        protocols = self.grammar.values_of("protocol", tags)
        if not numbers and not protocols:
            return DevicePorts(self.declared, by_default=self.is_default)
        if len(self.declared) > 1:
            reason = f"ignored, since discovery.ports declares {len(self.declared)} ports"
            kinds = [kind for kind, found in (("port", numbers), ("protocol", protocols)) if found]
            return DevicePorts(self.declared, tuple(f"tag:{kind}-* {reason}" for kind in kinds))
        ignored: list[str] = []
        number = _tagged_number(numbers, ignored)
        port = self.declared[0]
        port = _with_protocol(port, protocols, ignored)
        if number is not None:
            port = replace(port, number=number)
        by_default = self.is_default and number is None
        return DevicePorts((port,), tuple(ignored), by_default=by_default)


def port_table(spec: TailscaleEndpointsSpec, grammar: TagGrammar) -> PortTable:
    """Decide the port names of a resource.

    Raises PortConflictError where two names would stand on one transport and number, or one name
    on two.
    """
    discovers = bool(spec.selector.terms)
    declared = tuple(sorted(_declared(port) for port in spec.discovery.ports))
    is_default = discovers and not declared
    if is_default:
        declared = (Port("http", 80, Transport.TCP, APP_PROTOCOLS[Protocol.HTTP]),)
    static = [_static_port(endpoint, declared) for endpoint in spec.endpoints]
    service = _service_ports([*(declared if discovers else ()), *static])
    return PortTable(declared, is_default, service, grammar)


def transport_of(protocol: Protocol) -> Transport:
    """Return the transport that a protocol runs on."""
    return Transport.UDP if protocol is Protocol.UDP else Transport.TCP


def _declared(port: DiscoveryPort) -> Port:
    return Port(
        port.name,
        port.port,
        transport_of(port.protocol),
        APP_PROTOCOLS.get(port.protocol, ""),
        checked=port.health_check is not None and port.health_check.enabled,
    )


def _static_port(endpoint: StaticEndpoint, declared: tuple[Port, ...]) -> Port:
    transport = transport_of(endpoint.protocol)
    name = next(
        (p.name for p in declared if (p.transport, p.number) == (transport, endpoint.port)),
        f"{transport.lower()}-{endpoint.port}",
    )
    return Port(
        name,
        endpoint.port,
        transport,
        APP_PROTOCOLS.get(endpoint.protocol, ""),
        checked=endpoint.health_check is not None and endpoint.health_check.enabled,
    )


def _service_ports(ports: Iterable[Port]) -> tuple[Port, ...]:
    by_name: dict[str, Port] = {}
    by_number: dict[tuple[Transport, int], str] = {}
    for port in ports:
        place = (port.transport, port.number)
        known = by_name.setdefault(port.name, replace(port, checked=False))
        if (known.transport, known.number) != place:
            raise PortConflictError(
                f"port name {port.name!r} would stand for {known.number}/{known.transport} and "
                f"{port.number}/{port.transport}; give the discovery port another name"
            )
        if by_number.setdefault(place, port.name) != port.name:
            raise PortConflictError(
                f"ports {by_number[place]!r} and {port.name!r} are both "
                f"{port.number}/{port.transport}; a Service can have only one of them"
            )
        if known.app_protocol != port.app_protocol:
            by_name[port.name] = replace(known, app_protocol="")
    return tuple(sorted(by_name.values()))


def _tagged_number(numbers: Collection[str], ignored: list[str]) -> int | None:
    if not numbers:
        return None
    if len(numbers) > 1:
        ignored.append(f"tag:port-* ignored, since the device has {len(numbers)} of them")
        return None
    (text,) = numbers
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len("65535") else 0
    if not 1 <= number <= MAX_PORT:
        ignored.append(f"tag:port-{text} ignored, since it is not a port from 1 to {MAX_PORT}")
        return None
    return number


def _with_protocol(port: Port, protocols: Collection[str], ignored: list[str]) -> Port:
    if not protocols:
        return port
    if len(protocols) > 1:
        ignored.append(f"tag:protocol-* ignored, since the device has {len(protocols)} of them")
        return port
    (text,) = protocols
    protocol = _PROTOCOLS_BY_TAG.get(text.lower())
    if protocol is None:
        known = ", ".join(sorted(_PROTOCOLS_BY_TAG))
        ignored.append(f"tag:protocol-{text} ignored, since it is none of {known}")
        return port
    if transport_of(protocol) is not port.transport:
        ignored.append(
            f"tag:protocol-{text} ignored, since port {port.name} is {port.transport}: "
            "a Service port has one transport"
        )
        return port
    return replace(port, app_protocol=APP_PROTOCOLS.get(protocol, ""))
