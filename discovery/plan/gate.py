"""The gate: which devices count at all, and the name of every reason against one.

Online or offline is no reason: the control plane's word on that is about its own connection, so
health comes from probes.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from discovery.addresses import is_tailnet_address
from discovery.tailnet import Device


class Exclusion(StrEnum):
    """Why a device or a static address is no endpoint, as ``excludedBy`` and status spell it."""

    UNTAGGED = "untagged"
    EXTERNAL = "external"
    UNAUTHORIZED = "unauthorized"
    KEY_EXPIRED = "keyExpired"
    SHIELDS_UP = "shieldsUp"
    TAILNET_LOCK = "tailnetLockError"
    NO_ADDRESS = "noAddress"
    DENIED_ADDRESS = "deniedAddress"
    NOT_GRANTED = "notGranted"
    ADDRESS_FAMILY = "addressFamily"
    SAME_ADDRESS = "sameAddress"
    REASSIGNED = "reassigned"


EXPLANATIONS: dict[Exclusion, str] = {
    Exclusion.UNTAGGED: "the device has no tags, and only tagged devices are discovered",
    Exclusion.EXTERNAL: "the device is shared in from another tailnet; its tags are not ours",
    Exclusion.UNAUTHORIZED: "the device waits for approval in the tailnet",
    Exclusion.KEY_EXPIRED: "the device's node key has expired, so nothing can reach it",
    Exclusion.SHIELDS_UP: "the device blocks incoming connections (shields up)",
    Exclusion.TAILNET_LOCK: "tailnet lock has not signed the device, so other nodes drop it",
    Exclusion.NO_ADDRESS: "the device has no address in the tailnet's ranges",
    Exclusion.DENIED_ADDRESS: "every address of it is in deniedCIDRs of the configuration",
    Exclusion.NOT_GRANTED: "the tailnet's grants do not give the device to this namespace",
    Exclusion.ADDRESS_FAMILY: "the device has no address of the families in discovery",
    Exclusion.SAME_ADDRESS: "another endpoint has the same address and port already",
    Exclusion.REASSIGNED: "its entry can not be read, and its address is another device's by now",
}


def exclusion(
    device: Device, denied: Collection[IPv4Network | IPv6Network], now: datetime
) -> Exclusion | None:
    """Return the first reason against the device, or None when it is eligible at ``now``."""
    reasons = (
        (device.is_external, Exclusion.EXTERNAL),
        (not device.tags, Exclusion.UNTAGGED),
        (not device.authorized, Exclusion.UNAUTHORIZED),
        (key_expired(device, now), Exclusion.KEY_EXPIRED),
        (device.blocks_incoming_connections, Exclusion.SHIELDS_UP),
        (bool(device.tailnet_lock_error), Exclusion.TAILNET_LOCK),
    )
    first = next((reason for holds, reason in reasons if holds), None)
    return first or _address_exclusion(device, denied)


def key_expired(device: Device, now: datetime) -> bool:
    """Tell whether the node key is expired at ``now``; a disabled expiry keeps its old time."""
    return not device.key_expiry_disabled and device.expires is not None and device.expires <= now


def usable_addresses(
    device: Device, denied: Collection[IPv4Network | IPv6Network] = ()
) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return the device's addresses that an endpoint may have, IPv4 first, each family sorted."""
    return _usable(device.addresses, tuple(denied))


@lru_cache(maxsize=2**16)  # each resource that selects a device asks again, in each of its passes
def _usable(
    spelled: tuple[str, ...], denied: tuple[IPv4Network | IPv6Network, ...]
) -> tuple[IPv4Address | IPv6Address, ...]:
    addresses = {ip_address(text) for text in spelled}
    return tuple(
        sorted(
            (a for a in addresses if is_tailnet_address(a) and not is_denied(a, denied)),
            key=lambda a: (a.version, int(a)),
        )
    )


def is_denied(
    address: IPv4Address | IPv6Address, denied: Collection[IPv4Network | IPv6Network]
) -> bool:
    """Tell whether the address lies in a denied network."""
    return any(address in network for network in denied)


def _address_exclusion(
    device: Device, denied: Collection[IPv4Network | IPv6Network]
) -> Exclusion | None:
    if usable_addresses(device, denied):
        return None
    return Exclusion.DENIED_ADDRESS if usable_addresses(device) else Exclusion.NO_ADDRESS
