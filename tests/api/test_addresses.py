from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.addresses import is_tailnet_address, is_tailnet_text
from tests.api.texts import ADDRESSES, MISSPELT_ADDRESSES, OUTSIDE_ADDRESSES, RESERVED_ADDRESSES


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_of_a_device_is_accepted(text: str) -> None:
    assert is_tailnet_text(text)


@pytest.mark.parametrize("text", OUTSIDE_ADDRESSES)
def test_an_address_outside_the_tailnet_ranges_is_refused(text: str) -> None:
    assert not is_tailnet_text(text)


@pytest.mark.parametrize("text", RESERVED_ADDRESSES)
def test_an_address_of_a_reserved_block_is_refused(text: str) -> None:
    assert not is_tailnet_text(text)


@pytest.mark.parametrize("text", MISSPELT_ADDRESSES)
def test_another_spelling_is_refused(text: str) -> None:
    assert not is_tailnet_text(text)


def test_an_address_with_a_zone_is_no_tailnet_address() -> None:
    assert not is_tailnet_address(IPv6Address("fd7a:115c:a1e0::1%eth0"))


@given(st.ip_addresses(network="100.64.0.0/10") | st.ip_addresses(network="fd7a:115c:a1e0::/48"))
def test_the_text_and_the_address_agree(address: IPv4Address | IPv6Address) -> None:
    assert is_tailnet_text(str(address)) == is_tailnet_address(ip_address(str(address)))
