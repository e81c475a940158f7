from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_address

import pytest

from discovery.plan.gate import EXPLANATIONS, Exclusion, exclusion, key_expired, usable_addresses
from discovery.tailnet import Device

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def device(**fields: object) -> Device:
    values: dict[str, object] = {
        "node_id": "n1CNTRL",
        "name": "api-1.company.ts.net",
        "addresses": ("100.84.12.7",),
        "tags": ("tag:env-production",),
    }
    return Device(**(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"connected_to_control": False}, None),
        ({"is_external": True}, Exclusion.EXTERNAL),
        ({"tags": ()}, Exclusion.UNTAGGED),
        ({"authorized": False}, Exclusion.UNAUTHORIZED),
        ({"expires": NOW - timedelta(seconds=1)}, Exclusion.KEY_EXPIRED),
        ({"expires": NOW - timedelta(days=9), "key_expiry_disabled": True}, None),
        ({"blocks_incoming_connections": True}, Exclusion.SHIELDS_UP),
        ({"tailnet_lock_error": "node key is not signed"}, Exclusion.TAILNET_LOCK),
        ({"addresses": ()}, Exclusion.NO_ADDRESS),
        ({"addresses": ("192.168.1.4", "100.100.100.100")}, Exclusion.NO_ADDRESS),
        ({"addresses": ("100.64.9.9",)}, Exclusion.DENIED_ADDRESS),
    ],
)
def test_each_exclusion_has_its_name(fields: dict[str, object], reason: Exclusion | None) -> None:
    assert exclusion(device(**fields), [IPv4Network("100.64.0.0/16")], NOW) is reason


def test_a_device_shared_in_is_external_before_anything_else() -> None:
    shared = device(is_external=True, tags=(), authorized=False)

    assert exclusion(shared, [], NOW) is Exclusion.EXTERNAL


def test_a_key_expires_at_its_very_instant() -> None:
    assert key_expired(device(expires=NOW), NOW)
    assert not key_expired(device(expires=NOW + timedelta(microseconds=1)), NOW)


def test_addresses_come_ipv4_first_and_sorted() -> None:
    addresses = ("fd7a:115c:a1e0::2", "100.64.0.20", "fd7a:115c:a1e0::1", "100.64.0.3")

    assert usable_addresses(device(addresses=addresses)) == tuple(
        map(ip_address, ("100.64.0.3", "100.64.0.20", "fd7a:115c:a1e0::1", "fd7a:115c:a1e0::2"))
    )


def test_a_denied_address_leaves_the_other_one_usable() -> None:
    addresses = ("100.64.0.3", "fd7a:115c:a1e0::1")

    assert usable_addresses(device(addresses=addresses), [IPv4Network("100.64.0.0/16")]) == (
        ip_address("fd7a:115c:a1e0::1"),
    )


def test_every_exclusion_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Exclusion)


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": (), "authorized": False},
        {"authorized": False, "expires": NOW},
        {"expires": NOW, "blocks_incoming_connections": True},
        {"blocks_incoming_connections": True, "tailnet_lock_error": "not signed"},
        {"tailnet_lock_error": "not signed", "addresses": ()},
    ],
)
def test_of_several_reasons_the_first_is_told(fields: dict[str, object]) -> None:
    first = dict([next(iter(fields.items()))])

    assert exclusion(device(**fields), [], NOW) is exclusion(device(**first), [], NOW) is not None


def test_one_network_of_several_is_enough_to_deny_an_address() -> None:
    denied = [IPv4Network("100.65.0.0/16"), IPv4Network("100.84.12.7/32")]

    assert exclusion(device(), denied, NOW) is Exclusion.DENIED_ADDRESS
