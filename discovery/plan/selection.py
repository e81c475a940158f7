"""Which devices each resource selects, kept current by differences.

One selection per tailnet serves all its resources: selectors are compiled once, and a new device
list costs what changed in it, not what is in it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from discovery.plan.gate import Exclusion, exclusion
from discovery.plan.policy import TailnetPolicy
from discovery.tailnet import Device
from discovery.v1alpha1 import Key, TailscaleEndpointsSpec
from tagselectors import SelectorTerms, TagIndex


class Selection:
    """The devices of one tailnet beside the resources that select among them.

    ``excluded`` says why each listed device that is not eligible is out, by node ID.
    """

    def __init__(self, policy: TailnetPolicy) -> None:
        self._policy = policy
        self._specs: dict[Key, TailscaleEndpointsSpec] = {}
        self._index: TagIndex[Key, str] = TagIndex({}, policy.grammar)
        self._static: dict[str, set[Key]] = {}
        self._addresses_of: dict[Key, frozenset[str]] = {}
        self._next_expiry: datetime | None = None
        self.devices: dict[str, Device] = {}
        self.by_address: dict[str, Device] = {}
        self.excluded: dict[str, Exclusion] = {}

    def refresh(self, devices: Iterable[Device], now: datetime) -> set[Key]:
        """Take a verified list; return the resources whose endpoints may differ because of it.

        Devices that did not change are told by identity or equality and cost one comparison. A
        node key that expires between two equal lists counts as a change.
        """
        listed = {device.node_id: device for device in devices}
        expired = self._next_expiry is not None and self._next_expiry <= now
        old = self.devices
        changed = {
            node_id
            for node_id, device in listed.items()
            if expired or ((known := old.get(node_id)) is not device and known != device)
        }
        gone = old.keys() - listed.keys()
        if not changed and not gone:
            return set()
        touched = self._touch_static(old, changed | gone)
        self.devices = listed
        touched |= self._touch_static(listed, changed)
        eligible = self._gate(changed, gone, now)
        # Out and in again: a resource that matched before or matches now is told either way, even
        # where only an address changed.
        touched |= self._index.update(dict.fromkeys(changed | gone))
        touched |= self._index.update({node_id: listed[node_id].tags for node_id in eligible})
        return touched

    def define(self, specs: Mapping[Key, TailscaleEndpointsSpec | None]) -> None:
        """Add, replace or (None) remove resources."""
        selectors: dict[Key, SelectorTerms | None] = {}
        for key, spec in specs.items():
            if self._specs.get(key) == spec:
                continue  # reading the tags of every device again would find the same
            if spec is None:
                self._specs.pop(key)
            else:
                self._specs[key] = spec
            self._define_static(key, spec)
            selectors[key] = spec.selector if spec else None
        if selectors:
            self._index.define(selectors)

    def matched(self, key: Key) -> tuple[Device, ...]:
        """Return the eligible devices that the resource selects, by node ID."""
        return tuple(self.devices[node_id] for node_id in sorted(self._index.matches(key)))

    def _define_static(self, key: Key, spec: TailscaleEndpointsSpec | None) -> None:
        """Keep which resource has which address; of one that is gone nothing is left."""
        for address in self._addresses_of.pop(key, ()):
            self._static[address].discard(key)
            if not self._static[address]:
                del self._static[address]
        if spec is not None and spec.endpoints:
            self._addresses_of[key] = frozenset(e.tailscale_ip for e in spec.endpoints)
            for address in self._addresses_of[key]:
                self._static.setdefault(address, set()).add(key)

    def _touch_static(self, devices: Mapping[str, Device], node_ids: Iterable[str]) -> set[Key]:
        return {
            key
            for node_id in node_ids
            if node_id in devices
            for address in devices[node_id].addresses
            for key in self._static.get(address, ())
        }

    def _gate(self, changed: set[str], gone: set[str], now: datetime) -> list[str]:
        eligible = []
        for node_id in gone:
            self.excluded.pop(node_id, None)
        for node_id in changed:
            reason = exclusion(self.devices[node_id], self._policy.denied, now)
            if reason is None:
                self.excluded.pop(node_id, None)
                eligible.append(node_id)
            else:
                self.excluded[node_id] = reason
        own = [device for device in self.devices.values() if not device.is_external]
        self.by_address = _owners(own)
        self._next_expiry = min(
            (
                d.expires
                for d in own
                if not d.key_expiry_disabled and d.expires is not None and d.expires > now
            ),
            default=None,
        )
        return eligible


def _owners(devices: Iterable[Device]) -> dict[str, Device]:
    """Return who has each address: where two devices claim it, the one with the lower node ID."""
    owners: dict[str, Device] = {}
    for device in devices:
        for address in device.addresses:
            known = owners.setdefault(address, device)
            if device.node_id < known.node_id:
                owners[address] = device
    return owners
