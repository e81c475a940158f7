"""The one decoder of a devices body: bytes as the Tailscale API sends them, to a DeviceList.

In the API's schema no field is required, and "nothing" is written in several ways. Here null and
absent are one, the year 1 is no time, names are lower case without trailing dot, tags and
addresses are sorted sets. What can not be read is *unknown*, which is not absent: one strange
device spoils neither the list nor its own endpoint.

The list is hot. Nearly always it is decoded in one typed pass, and a device that equals the one of
the previous list *is* that object again, so that a reader finds changes by identity.
"""

import hashlib

import msgspec

from discovery.tailnet import Device, DeviceList, UnknownDevice


class _TypedList(msgspec.Struct, gc=False):
    devices: list[Device]


_typed_list = msgspec.json.Decoder(_TypedList)
_one_device = msgspec.json.Decoder(Device)
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
_raw_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()

# What msgspec raises for bytes that are no JSON, not UTF-8, or nested without end.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_SHOWN_KEYS = 5


def decode_devices(body: bytes, *, where: str, previous: DeviceList | None = None) -> DeviceList:
    """Return the list that ``body`` holds, in the order of the answer.

    Raises MalformedAnswerError, naming what was found, for anything but an object with an array
    ``devices``. Of two entries with one nodeId the later is unknown.
    """
    digest = hashlib.sha256(body).hexdigest()
    if previous is not None and previous.digest == digest:
        return previous
    known = {} if previous is None else {device.node_id: device for device in previous.devices}
    devices: dict[str, Device] = {}
    unknown = []
    for position, entry in enumerate(_entries(body, where)):
        device: Device | UnknownDevice
        if isinstance(entry, UnknownDevice):
            device = entry
        elif (device := known.get(entry.node_id, entry)) != entry or device is entry:
            device = _normal(entry, position, known.get(entry.node_id))
        if isinstance(device, UnknownDevice):
            unknown.append(device)
        elif devices.setdefault(device.node_id, device) is not device:
            unknown.append(_unknown(position, device, "its nodeId is the same as an earlier one's"))
    return DeviceList(tuple(devices.values()), tuple(unknown), digest)
