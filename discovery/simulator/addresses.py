"""Which addresses a Service may have, and which it is given."""

from collections.abc import Container, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network
from typing import Final

from discovery.simulator.refusals import bad_request

IPV4_RANGE: Final = IPv4Network("100.64.0.0/10")
IPV6_RANGE: Final = IPv6Network("fd7a:115c:a1e0::/96")

RESERVED: Final[tuple[IPv4Network | IPv6Network, ...]] = (
    IPv4Network("100.100.0.0/24"),
    IPv4Network("100.100.100.0/24"),
    IPv4Network("100.115.92.0/23"),
    IPv6Network("fd7a:115c:a1e0::53/128"),
)
"""Never given to a device or a Service (Tailscale's documentation of reserved addresses)."""

_SPREAD: Final = 2_654_435_761  # odd, hence every address of a range comes once


class Addresses:
    """Hands out pairs of addresses: always the same ones in the same order, and never one twice.

    A Service that is deleted and made again has other addresses, as on the real service.
    """

    def __init__(self) -> None:
        self._ipv4 = _spread(IPV4_RANGE)
        self._ipv6 = _spread(IPV6_RANGE)

    def next_ipv4(self, taken: Container[str]) -> str:
        """Return an IPv4 address that is neither reserved nor taken."""
        return next(text for text in self._ipv4 if text not in taken)

    def next_ipv6(self, taken: Container[str]) -> str:
        """Return an IPv6 address that is neither reserved nor taken."""
        return next(text for text in self._ipv6 if text not in taken)


def check_ipv4(text: str, taken: Container[str]) -> None:
    """Refuse an address that nobody may ask for."""
    address = as_ipv4(text)
    if address is None or address not in IPV4_RANGE:
        raise bad_request(f"bad IPv4 address: {text} is not in {IPV4_RANGE}")
    if any(address in block for block in RESERVED):
        # Observed from the real service, word for word.
        raise bad_request("bad IPv4 address: address is reserved for use by Tailscale")
    if text in taken:
        raise bad_request(f"bad IPv4 address: {text} is in use")


def as_ipv4(text: str) -> IPv4Address | None:
    """Return the IPv4 address that a text spells, or None."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def _spread(network: IPv4Network | IPv6Network) -> Iterator[str]:
    """Yield every address of a range that is not reserved, in an order that looks like none."""
    size = network.num_addresses
    for number in range(1, size):
        address = network[number * _SPREAD % size]
        if not any(address in block for block in RESERVED):
            yield str(address)
