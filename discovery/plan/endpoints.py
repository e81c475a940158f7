"""Endpoints of a resource, as values."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from discovery.plan.gate import Exclusion
from discovery.plan.ports import Port


class Source(StrEnum):
    """Where an endpoint comes from, as ``status.endpoints[].source`` spells it."""

    STATIC = "Static"
    TAG_SELECTOR = "TagSelector"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One named backend of a resource.

    ``name`` is a DNS label, unique in the resource. ``node_id`` is empty for a static endpoint
    whose address no known device has. ``addresses`` hold at most one per family, IPv4 first;
    ``ports`` are sorted and not empty. ``held`` marks an endpoint that stays only because the list
    could not say anything about its device.
    """

    name: str
    source: Source
    node_id: str
    fqdn: str
    addresses: tuple[IPv4Address | IPv6Address, ...]
    ports: tuple[Port, ...]
    tags: tuple[str, ...] = ()
    connected: bool | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A selected device or a static endpoint that is no endpoint, and the name of the reason."""

    name: str
    node_id: str
    exclusion: Exclusion
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resource on a tailnet: endpoints sorted by name, Service ports, and all that was refused.

    ``collisions`` and ``ignored_tags`` are sentences for people, in a stable order;
    ``uses_default_port`` says that a device got 80/HTTP because nothing names its port.
    """

    endpoints: tuple[Endpoint, ...] = ()
    service_ports: tuple[Port, ...] = ()
    refused: tuple[Refused, ...] = ()
    collisions: tuple[str, ...] = ()
    ignored_tags: tuple[str, ...] = ()
    uses_default_port: bool = False
