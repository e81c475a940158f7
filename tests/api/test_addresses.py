from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.addresses import is_tailnet_address, is_tailnet_text


@pytest.mark.parametrize(
    "text",
    [
        "100.64.0.0",
        "100.64.0.10",
        "100.99.255.255",
        "100.100.1.0",
        "100.100.99.255",
        "100.100.101.0",
        "100.101.102.103",
        "100.115.91.255",
        "100.115.94.0",
        "100.127.255.255",
        "fd7a:115c:a1e0::1",
        "fd7a:115c:a1e0::52",
        "fd7a:115c:a1e0::54",
        "fd7a:115c:a1e0:b1b::1",
        "fd7a:115c:a1e0:ab12:4843:cd96:6265:6667",
    ],
)
def test_an_address_of_a_device_is_accepted(text: str) -> None:
    assert is_tailnet_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "100.63.255.255",
        "100.128.0.0",
        "100.128.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.1",
        "::1",
        "fe80::1",
        "fd7a:115c:a1df::1",
        "fd7a:115c:a1e1::1",
        "::ffff:100.64.0.1",
    ],
)
def test_an_address_outside_the_tailnet_ranges_is_refused(text: str) -> None:
    assert not is_tailnet_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "100.100.0.0",
        "100.100.0.255",
        "100.100.100.0",
        "100.100.100.100",
        "100.100.100.255",
        "100.115.92.0",
        "100.115.93.255",
        "fd7a:115c:a1e0::53",
        "fd7a:115c:a1e0:b1a::",
        "fd7a:115c:a1e0:b1a:0:1:a00:1",
    ],
)
def test_an_address_of_a_reserved_block_is_refused(text: str) -> None:
    assert not is_tailnet_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api-1",
        "0100.64.0.1",
        "100.64.0.01",
        "100.64.0",
        " 100.64.0.1",
        "100.64.0.1\n",
        "100.64.0.1/32",
        "fd7a:115c:a1e0:0:0:0:0:1",
        "FD7A:115C:A1E0::1",
        "fd7a:115c:a1e0::1%eth0",
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    assert not is_tailnet_text(text)


def test_an_address_with_a_zone_is_no_tailnet_address() -> None:
    assert not is_tailnet_address(IPv6Address("fd7a:115c:a1e0::1%eth0"))


@given(st.ip_addresses(network="100.64.0.0/10") | st.ip_addresses(network="fd7a:115c:a1e0::/48"))
def test_the_text_and_the_address_agree(address: IPv4Address | IPv6Address) -> None:
    assert is_tailnet_text(str(address)) == is_tailnet_address(ip_address(str(address)))
