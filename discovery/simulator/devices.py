"""The devices of a tailnet as the API serves them: which fields, which filters, which one.

Devices are kept as the API's own JSON objects, so that a test can serve whatever it likes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from discovery.simulator.refusals import JSONObject, bad_request, not_found

ONLY_WITH_ALL: Final = frozenset(
    {
        "advertisedRoutes",
        "clientConnectivity",
        "distro",
        "enabledRoutes",
        "multipleConnections",
        "postureIdentity",
        "sshEnabled",
    }
)
"""The fields that ``fields=default`` leaves out (the difference of the published lists)."""

_DEFAULT_FIELDS: Final = frozenset(
    {
        "addresses",
        "authorized",
        "blocksIncomingConnections",
        "clientVersion",
        "connectedToControl",
        "created",
        "expires",
        "hostname",
        "id",
        "isEphemeral",
        "isExternal",
        "keyExpiryDisabled",
        "lastSeen",
        "machineKey",
        "name",
        "nodeId",
        "nodeKey",
        "os",
        "tags",
        "tailnetLockError",
        "tailnetLockKey",
        "updateAvailable",
        "user",
    }
)
_NOT_FILTERABLE: Final = frozenset({"clientConnectivity", "distro", "postureIdentity"})

Query = Sequence[tuple[str, str]]


def listed(devices: Sequence[Any], query: Query) -> JSONObject:
    """Answer the list: one envelope, no paging, every filter of the query ANDed."""
    everything = _wants_everything(query)
    filters = [(name, value) for name, value in query if name != "fields"]
    for name, _ in filters:
        if name in _NOT_FILTERABLE or not _is_field(name, devices):
            # The service's answer is not documented; a refusal shows a wrong filter at once.
            raise bad_request(f'"{name}" is not a property that devices can be filtered by')
    chosen = [one for one in devices if all(_holds(one, *condition) for condition in filters)]
    if not everything:
        chosen = [_by_default(one) if isinstance(one, dict) else one for one in chosen]
    return {"devices": chosen}


def found(devices: Iterable[Any], identity: str, query: Query) -> JSONObject:
    """Answer one device, by its ``nodeId`` or its legacy ``id``; 404 where there is none."""
    everything = _wants_everything(query)
    device = device_of(devices, identity)
    return device if everything else _by_default(device)


def device_of(devices: Iterable[Any], identity: str) -> JSONObject:
    """Return the device itself, as kept; 404 where there is none."""
    objects: list[JSONObject] = [one for one in devices if isinstance(one, dict)]
    for device in objects:
        if identity in {device.get("nodeId"), device.get("id")}:
            return device
    raise not_found()


def label(device: JSONObject) -> str:
    """Return the machine's name: the first label of its MagicDNS name, lower case."""
    return str(device.get("name", "")).partition(".")[0].lower()


def _wants_everything(query: Query) -> bool:
    values = [value for name, value in query if name == "fields"]
    for value in values:
        if value not in {"all", "default"}:
            raise bad_request(f'invalid value "{value}" of "fields": use "all" or "default"')
    return "all" in values


def _by_default(device: JSONObject) -> JSONObject:
    return {name: value for name, value in device.items() if name not in ONLY_WITH_ALL}


def _is_field(name: str, devices: Sequence[Any]) -> bool:
    if name in _DEFAULT_FIELDS or name in ONLY_WITH_ALL:
        return True
    return any(isinstance(device, dict) and name in device for device in devices)


def _holds(device: Any, name: str, value: str) -> bool:
    """Tell whether a device has the value: exactly, or as one element of a list."""
    if not isinstance(device, dict) or name not in device:
        return False
    held = device[name]
    elements = held if isinstance(held, list) else [held]
    return value in {_text(element) for element in elements}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
