"""The one decoder of a devices body: bytes as the Tailscale API sends them, to a DeviceList.

In the API's schema no field is required, and "nothing" is written in several ways. Here null and
absent are one, ``""`` and the year 1 are no time, names are lower case without trailing dot, tags
and addresses are sorted sets. What can not be read is *unknown*, which is not absent: one strange
device spoils neither the list nor its own endpoint.

The list is hot. Nearly always it is decoded in one typed pass, and a device that equals the one of
the previous list *is* that object again, so that a reader finds changes by identity.
"""

import hashlib
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from discovery.clients.errors import MalformedAnswerError, excerpt
from discovery.tailnet import Device, DeviceList, UnknownDevice

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON or not UTF-8, for deep nesting, other types."""

_SHOWN_KEYS: Final = 5


class _TypedList(msgspec.Struct, gc=False):
    devices: list[Device]


_typed_list: Final = msgspec.json.Decoder(_TypedList)
_typed_device: Final = msgspec.json.Decoder(Device)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_entries: Final = msgspec.json.Decoder(list[msgspec.Raw])
_anything: Final = msgspec.json.Decoder(dict[str, Any])


def decode_devices(body: bytes, *, where: str, previous: DeviceList | None = None) -> DeviceList:
    """Return the list that ``body`` holds, in the order of the answer.

    Raises MalformedAnswerError, naming what was found, for anything but an object with an array
    ``devices``. Of two entries with one nodeId the later one is unknown.
    """
    digest = hashlib.sha256(body).hexdigest()
    if previous is not None and previous.digest == digest:
        return previous
    known = {} if previous is None else {device.node_id: device for device in previous.devices}
    devices: dict[str, Device] = {}
    unknown: list[UnknownDevice] = []
    for position, entry in enumerate(_read(body, where)):
        device = entry
        if isinstance(entry, Device):
            before = known.get(entry.node_id)
            device = before if before == entry else _normal(entry, position, before)
        if isinstance(device, UnknownDevice):
            unknown.append(device)
        elif device.node_id in devices:
            problem = "an earlier entry has the same nodeId"
            unknown.append(UnknownDevice(position, device.node_id, device.name, problem))
        else:
            devices[device.node_id] = device
    return DeviceList(tuple(devices.values()), tuple(unknown), digest)


def decode_device(body: bytes, *, where: str) -> Device:
    """Return the device that the answer to a question for a single one holds.

    Raises MalformedAnswerError where it can not be read.
    """
    device = _read_one(0, body)
    if isinstance(device, Device):
        device = _normal(device, 0, None)
    if isinstance(device, UnknownDevice):
        raise MalformedAnswerError(f"the body is no device: {device.problem}", where=where)
    return device


def _read(body: bytes, where: str) -> Sequence[Device | UnknownDevice]:
    """Return the entries as they stand; only where that fails, each by itself."""
    try:
        devices = _typed_list.decode(body).devices
    except UNREADABLE:
        devices = None
    # What is empty here may be absent, which only the slow way can tell.
    if devices is not None and all(device.node_id and device.addresses for device in devices):
        return devices
    return [_read_one(position, raw) for position, raw in enumerate(_raw_entries(body, where))]


def _raw_entries(body: bytes, where: str) -> list[msgspec.Raw]:
    if not body.strip():
        raise MalformedAnswerError("the body is empty, not a device list", where=where)
    if body.lstrip().startswith(b"<"):
        raise MalformedAnswerError("the body is an HTML page, not a device list", where=where)
    try:
        members = _members.decode(body)
        if "devices" in members:
            return _entries.decode(members["devices"])
    except msgspec.ValidationError as exc:
        raise MalformedAnswerError(f"the body is no device list: {exc}", where=where) from exc
    except UNREADABLE as exc:
        raise MalformedAnswerError(f"the body is not JSON: {exc}", where=where) from exc
    keys = ", ".join(excerpt(key) for key in list(members)[:_SHOWN_KEYS]) or "no key at all"
    raise MalformedAnswerError(
        f"the body is an object without `devices`; it has {keys}", where=where
    )


def _read_one(position: int, raw: msgspec.Raw | bytes) -> Device | UnknownDevice:
    """Return one entry, reading null as absent and the legacy ``id`` where nodeId is absent."""
    try:
        device = _typed_device.decode(raw)
        if device.node_id and device.addresses:
            return device
    except UNREADABLE:
        pass  # The second look says why.
    try:
        fields = _anything.decode(raw)
    except UNREADABLE as exc:
        return UnknownDevice(position, None, None, f"it can not be read: {excerpt(str(exc))}")
    return _lenient(position, {key: value for key, value in fields.items() if value is not None})


def _lenient(position: int, fields: dict[str, Any]) -> Device | UnknownDevice:
    if fields.get("nodeId", "") == "":
        fields["nodeId"] = fields.get("id", "")
    if fields.get("expires") == "":
        del fields["expires"]
    problem = ""
    if fields["nodeId"] == "":
        problem = "it has neither nodeId nor id"
    elif "addresses" not in fields:
        problem = "it has no addresses"
    else:
        try:
            return msgspec.convert(fields, Device)
        except msgspec.ValidationError as exc:
            problem = str(exc)
    return UnknownDevice(
        position, _text(fields.get("nodeId")), _text(fields.get("name")), excerpt(problem)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _normal(device: Device, position: int, before: Device | None) -> Device | UnknownDevice:
    """Return the device with one spelling for each meaning, as ``before`` where it is the same."""
    name = device.name.rstrip(".").lower()
    addresses = _sorted_set(device.addresses)
    tags = _sorted_set(device.tags)
    expires = _utc(device.expires)
    if (
        tags is not device.tags
        or addresses is not device.addresses
        or expires is not device.expires
        or name != device.name
    ):
        device = msgspec.structs.replace(
            device, name=name, addresses=addresses, tags=tags, expires=expires
        )
    if before is not None and before == device:
        return before
    problem = _problem(device)
    return UnknownDevice(position, device.node_id, device.name, problem) if problem else device


def _problem(device: Device) -> str:
    for address in device.addresses:
        try:
            # Ten times as fast as the ipaddress module, and as strict.
            socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        except (OSError, ValueError):
            return f"an address is none: {excerpt(address)}"
    if device.expires is not None and device.expires.tzinfo is None:
        return "expires has no offset from UTC"
    return ""


def _sorted_set(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values once each, in order: the same tuple where that is how they are."""
    count = len(values)
    if count < 2 or (count == 2 and values[0] < values[1]):  # noqa: PLR2004 - what nearly all have
        return values
    return tuple(sorted(set(values)))


def _utc(time: datetime | None) -> datetime | None:
    """Return the time in UTC, or None for the ways to say "none": Go's zero time, the last year."""
    if time is None or time.tzinfo is None or (time.tzinfo is UTC and time.year > 1):
        return time
    try:
        time = time.astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999
        return None
    return time if time.year > 1 else None
