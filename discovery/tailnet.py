"""A tailnet as values: what one answer of a control plane said, with nothing of how it was asked.

Field names follow the Tailscale API's devices object (camelCase there, snake_case here); times are
aware UTC datetimes. Values that mean "nothing" there (absent, null, ``""``, the year 1) are already
normalised: see :mod:`discovery.clients.devices`.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec


class Device(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """One machine of a tailnet, as its control plane describes it.

    ``name`` is the MagicDNS name without trailing dot (a bare label from Headscale); ``tags`` and
    ``addresses`` are sorted, so that equal devices are equal values. ``authorized`` is true where
    the control plane does not say (LocalAPI): only an explicit "no" excludes a device.
    """

    node_id: str
    name: str = ""
    addresses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    authorized: bool = True
    is_external: bool = False
    key_expiry_disabled: bool = False
    expires: datetime | None = None
    connected_to_control: bool | None = None
    blocks_incoming_connections: bool = False
    tailnet_lock_error: str = ""

    @property
    def label(self) -> str:
        """The first label of the name, lower case; empty where the device has no name."""
        return self.name.partition(".")[0].lower()


@dataclass(frozen=True, slots=True)
class UnknownDevice:
    """An entry of a device list that could not be decoded: unknown, which is not absent.

    ``position`` counts from 0 in the answer; ``node_id`` is None where not even that was readable.
    """

    position: int
    node_id: str | None
    name: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class DeviceList:
    """What one answer to "list the devices" said. ``digest`` is equal for byte-identical bodies."""

    devices: tuple[Device, ...]
    unknown: tuple[UnknownDevice, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A verified device list of a tailnet; a poll replaces it whole or not at all."""

    tailnet: str
    devices: tuple[Device, ...]
    unknown: tuple[UnknownDevice, ...]
    fetched_at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class VIPService:
    """A Tailscale Service as the API stores it: ``name`` begins with ``svc:``, sets are sorted."""

    name: str
    addrs: tuple[str, ...]
    ports: tuple[str, ...]
    tags: tuple[str, ...]
    comment: str
    annotations: tuple[tuple[str, str], ...]
