"""Device lists as differences: once in whole in each segment, then what changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from discovery.tailnet import Device, Snapshot, UnknownDevice

_DEFAULTS: Final = msgspec.to_builtins(Device(node_id=""))


@dataclass(slots=True)
class RecordedList:
    """A tailnet's list as the records of one segment have it so far."""

    digest: str
    fetched_at: datetime
    devices: dict[str, Device] = field(default_factory=dict)
    unknown: tuple[UnknownDevice, ...] = ()

    def says(self, snapshot: Snapshot) -> bool:
        """Tell whether another list has the same devices; their order is nobody's."""
        return (
            len(self.devices) == len(snapshot.devices)
            and self.unknown == snapshot.unknown
            and not any(self._differs(device) for device in snapshot.devices)
        )

    def _differs(self, device: Device) -> bool:
        known = self.devices.get(device.node_id)
        return known is not device and known != device

    def changed(self, snapshot: Snapshot) -> list[Device]:
        """Return the devices that are new or other than they were."""
        return [device for device in snapshot.devices if self._differs(device)]


def list_record(snapshot: Snapshot, known: RecordedList | None) -> dict[str, Any]:
    """Return the record of a list: what differs from the one recorded last, or all of it."""
    record: dict[str, Any] = {
        "kind": "list",
        "tailnet": snapshot.tailnet,
        "digest": snapshot.digest,
        "fetchedAt": snapshot.fetched_at,
        "unknown": snapshot.unknown,
    }
    if known is None:
        return record | {"devices": [device_value(d) for d in snapshot.devices]}
    gone = known.devices.keys() - {device.node_id for device in snapshot.devices}
    changed = [device_value(device) for device in known.changed(snapshot)]
    return record | {"after": known.digest, "changed": changed, "gone": sorted(gone)}


def recorded(snapshot: Snapshot) -> RecordedList:
    """Return a list as it is known after its record was written."""
    devices = {device.node_id: device for device in snapshot.devices}
    return RecordedList(snapshot.digest, snapshot.fetched_at, devices, snapshot.unknown)


def follow(lists: dict[str, RecordedList], record: Mapping[str, Any]) -> None:
    """Take a list's record into what is known; a difference to a list that is lost says nothing."""
    tailnet, digest = record["tailnet"], record["digest"]
    fetched_at = msgspec.convert(record["fetchedAt"], datetime)
    unknown = msgspec.convert(record["unknown"], tuple[UnknownDevice, ...])
    if "devices" in record:
        devices = msgspec.convert(record["devices"], list[Device])
        known = {device.node_id: device for device in devices}
    else:
        before = lists.pop(tailnet, None)
        if before is None or before.digest != record["after"]:
            return
        changed = msgspec.convert(record["changed"], list[Device])
        known = before.devices | {device.node_id: device for device in changed}
        for node in record["gone"]:
            known.pop(node, None)
    lists[tailnet] = RecordedList(digest, fetched_at, known, unknown)


def device_value(device: Device) -> dict[str, Any]:
    """Return a device as the API has it, without what has its usual value."""
    value = msgspec.to_builtins(device)
    return {key: said for key, said in value.items() if said != _DEFAULTS[key] or key == "nodeId"}
