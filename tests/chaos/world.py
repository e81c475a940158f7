"""The truth of a chaos run: which machines the tailnet has, and which of them a resource wants.

Written from the contract, not from the program: a selector is ANDed, key and value are the tag
``tag:KEY-VALUE``, and a machine counts when it is tagged, authorised and its key is not expired.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DOMAIN: Final = "company.ts.net"
LONG_AGO: Final = "2020-01-01T00:00:00Z"
FAR_AHEAD: Final = "2090-01-01T00:00:00Z"
PORT: Final = 8080

Selector = Mapping[str, tuple[str, ...]]
"""The values that a machine may have, by key; all keys must fit."""


def selects(selector: Selector, tags: Iterable[str]) -> bool:
    """Whether a machine with these tags fits."""
    held = frozenset(tags)
    return all(
        any(f"tag:{key}-{value}" in held for value in values) for key, values in selector.items()
    )


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the tailnet as it really is. ``number`` is its older identity, ``id``."""

    node: str
    number: str
    label: str
    addresses: tuple[str, ...]
    tags: tuple[str, ...]
    authorized: bool = True
    expired: bool = False

    @property
    def is_eligible(self) -> bool:
        return bool(self.tags) and self.authorized and not self.expired

    def is_wanted(self, selector: Selector) -> bool:
        return self.is_eligible and selects(selector, self.tags)

    def body(self) -> dict[str, Any]:
        """The machine as the API lists it."""
        return {
            "addresses": list(self.addresses),
            "authorized": self.authorized,
            "blocksIncomingConnections": False,
            "connectedToControl": True,
            "expires": LONG_AGO if self.expired else FAR_AHEAD,
            "hostname": self.label,
            "id": self.number,
            "isExternal": False,
            "keyExpiryDisabled": False,
            "name": f"{self.label}.{DOMAIN}",
            "nodeId": self.node,
            "os": "linux",
            "tags": list(self.tags),
            "tailnetLockError": "",
        }


@dataclass(slots=True)
class World:
    """Machines by node ID, and the selector of each resource."""

    selectors: dict[str, Selector]
    machines: dict[str, Machine] = field(default_factory=dict)

    def copy(self) -> "World":
        return World(dict(self.selectors), dict(self.machines))

    def machine(self, identity: str) -> Machine | None:
        """The machine with this node ID, or this older identity."""
        found = self.machines.get(identity)
        if found is not None:
            return found
        return next((one for one in self.machines.values() if one.number == identity), None)

    def wants(self, resource: str, identity: str) -> bool:
        machine = self.machine(identity)
        return machine is not None and machine.is_wanted(self.selectors[resource])

    def addresses(self, resource: str) -> dict[str, str]:
        """Every address that the slices of a resource should hold, with its node."""
        selector = self.selectors[resource]
        return {
            address: machine.node
            for machine in self.machines.values()
            if machine.is_wanted(selector)
            for address in machine.addresses
        }


def manifest(name: str, namespace: str, selector: Selector) -> dict[str, Any]:
    """A resource with this selector."""
    terms = [
        {"key": key, "operator": "In", "values": list(values)} for key, values in selector.items()
    ]
    return {
        "apiVersion": "gateway.tailscale.com/v1alpha1",
        "kind": "TailscaleEndpoints",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "tailnet": DOMAIN,
            "tagSelectors": terms,
            "discovery": {
                "addressFamilies": ["IPv4", "IPv6"],
                "ports": [{"name": "http", "port": PORT}],
            },
        },
    }
