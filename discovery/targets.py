"""External targets: ``host:port`` outside the tailnet, and what such a host must not be."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

TARGET_FORM: Final = (
    "must be host:port with a port of 1-65535, such as api.example.com:8080 or [2001:db8::1]:443"
)
TARGET_IS_LOCAL: Final = "must not be a loopback, link-local or unspecified address"

_LABEL: Final = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
TARGET_PATTERN: Final = rf"^(\[[0-9A-Fa-f:.]+\]|{_LABEL}([.]{_LABEL})*):[1-9][0-9]{{0,4}}$"
HIGHEST_PORT: Final = 65535
LOCALHOST_PATTERN: Final = "^(.*[.])?[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]$"
NUMBER_PATTERN: Final = "^(.*[.])?([0-9]+|0[xX][0-9A-Fa-f]*)$"
"""A host whose last label is a number: resolvers read it as an IPv4 address (``127.1``)."""


class Target(NamedTuple):
    """A host, an IPv6 address without its brackets, and a port."""

    host: str
    port: int


def parse_target(text: str) -> Target:
    """Parse ``host:port``, IPv6 in brackets; the ValueError says what the form is.

    Names are not resolved: whoever connects must refuse local addresses after DNS once more.
    """
    if not re.fullmatch(TARGET_PATTERN.strip("^$"), text, re.ASCII):
        raise ValueError(TARGET_FORM)
    host, _, port = text.rpartition(":")
    if int(port) > HIGHEST_PORT:
        raise ValueError(TARGET_FORM)
    if host.startswith("["):
        host = host[1:-1]
        if not _is_plain_ipv6(host):
            raise ValueError(TARGET_FORM)
    elif re.fullmatch(NUMBER_PATTERN, host) and not _is_address(host):
        raise ValueError(TARGET_FORM)
    return Target(host, int(port))


def has_target_form(text: str) -> bool:
    """Tell whether a text is ``host:port``."""
    try:
        parse_target(text)
    except ValueError:
        return False
    return True


def is_not_local(text: str) -> bool:
    """Tell whether a target's host is no local address; true of a text that is no target at all."""
    if not has_target_form(text):
        return True
    host = parse_target(text).host
    if not _is_address(host):
        return not re.fullmatch(LOCALHOST_PATTERN, host)
    address = ip_address(host)
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_plain_ipv6(host: str) -> bool:
    """Tell an IPv6 address from one that wraps an IPv4 address, which would hide what it is."""
    if not _is_address(host):
        return False
    address = ip_address(host)
    return isinstance(address, IPv6Address) and address.ipv4_mapped is None
