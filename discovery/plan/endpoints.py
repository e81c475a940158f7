"""Endpoints: what a resource's static entries and selectors come to on a given tailnet."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from discovery.plan.ports import Port


class Source(StrEnum):
    """Where an endpoint comes from, as ``status.endpoints[].source`` spells it."""

    STATIC = "Static"
    TAG_SELECTOR = "TagSelector"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One named backend of a resource.

    ``name`` is a DNS label, unique in the resource. ``node_id`` is empty for a static endpoint whose
    address no known device has. ``addresses`` hold at most one per family, IPv4 first; ``ports``
    are sorted and not empty. ``why`` is one sentence for people.
    """

    name: str
    source: Source
    node_id: str
    fqdn: str
    addresses: tuple[IPv4Address | IPv6Address, ...]
    ports: tuple[Port, ...]
    tags: tuple[str, ...] = ()
    connected: bool | None = None
    why: str = ""
