"""Tailnet addresses: which IP addresses an endpoint may have, in one place.

The ranges are Tailscale's: every node address comes from the CGNAT block or Tailscale's ULA prefix,
and the reserved blocks within them are never given to a node (Tailscale's documentation of reserved
addresses, and ``net/tsaddr`` in its source). Anything else is refused, so that whoever may write a
resource can not point a Service at the cluster's own networks (CVE-2021-25740).
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

RANGES: Final[tuple[IPv4Network | IPv6Network, ...]] = (
    IPv4Network("100.64.0.0/10"),
    IPv6Network("fd7a:115c:a1e0::/48"),
)

RESERVED: Final[tuple[IPv4Network | IPv6Network, ...]] = (
    IPv4Network("100.100.0.0/24"),
    IPv4Network("100.100.100.0/24"),  # holds 100.100.100.100, the resolver on every device
    IPv4Network("100.115.92.0/23"),  # ChromeOS
    IPv6Network("fd7a:115c:a1e0::53/128"),  # the resolver
    IPv6Network("fd7a:115c:a1e0:b1a::/64"),  # routes through a subnet router (4via6)
)

NOT_IN_TAILNET: Final = (
    "must be an address of a tailnet device: in 100.64.0.0/10 or fd7a:115c:a1e0::/48, outside "
    "Tailscale's reserved blocks, and in canonical spelling"
)


def is_tailnet_address(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether a device of a tailnet can have this address."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return _is_in(RANGES, address) and not _is_in(RESERVED, address)


def is_tailnet_text(text: str) -> bool:
    """Tell whether a text is a tailnet address in its canonical spelling."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return str(address) == text and is_tailnet_address(address)


def _is_in(
    networks: Iterable[IPv4Network | IPv6Network], address: IPv4Address | IPv6Address
) -> bool:
    return any(address in network for network in networks)
