"""What fixtures/tailnet promises to the tests that use it."""

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from discovery.simulator import SimulatorState

RANGES = (ip_network("100.64.0.0/10"), ip_network("fd7a:115c:a1e0::/48"))


def in_range(text: str) -> bool:
    return any(ip_address(text) in network for network in RANGES)


@pytest.mark.parametrize(
    "kind",
    [
        lambda one: "tags" not in one,
        lambda one: one.get("tags") == [],
        lambda one: one["isExternal"] and one["created"] == "" and one.get("tags"),
        lambda one: not one["authorized"],
        lambda one: one["expires"] == "2026-06-20T10:00:00Z" and not one["keyExpiryDisabled"],
        lambda one: one["expires"] == "2026-08-29T08:15:30Z" and one["keyExpiryDisabled"],
        lambda one: one["expires"] == "0001-01-01T00:00:00Z" and not one["isExternal"],
        lambda one: one["blocksIncomingConnections"],
        lambda one: one["tailnetLockError"],
        lambda one: not any(map(in_range, one["addresses"])),
        lambda one: len(one["addresses"]) == 1 and ":" in one["addresses"][0],
        lambda one: len(one["addresses"]) == 1 and ":" not in one["addresses"][0],
        lambda one: not one["connectedToControl"] and one["keyExpiryDisabled"] and one.get("tags"),
        lambda one: "lastSeen" in one and one["lastSeen"] is None,
        lambda one: "lastSeen" not in one,
        lambda one: "futureField" in one,
        lambda one: one.get("multipleConnections"),
        lambda one: one["isEphemeral"],
        lambda one: "clientConnectivity" in one and one["clientConnectivity"] is None,
        lambda one: one["hostname"] != one["name"].partition(".")[0] and one.get("tags"),
    ],
)
def test_there_is_a_device_of_this_kind(
    state: SimulatorState, kind: Callable[[dict[str, Any]], bool]
) -> None:
    assert any(kind(device) for device in state.devices)


def test_identities_and_addresses_are_unique(state: SimulatorState) -> None:
    for name in ("id", "nodeId", "name"):
        assert len({device[name] for device in state.devices}) == 26
    addresses = [text for device in state.devices for text in device["addresses"]]
    assert len(set(addresses)) == len(addresses)


def test_every_tag_is_one_that_tailscale_allows(state: SimulatorState) -> None:
    tags = {tag for device in state.devices for tag in device.get("tags") or ()}
    assert {"tag:env-production", "tag:service-type-database", "tag:protocol-grpc"} <= tags
    assert all(re.fullmatch(r"tag:[A-Za-z][A-Za-z0-9-]*", tag) for tag in tags)


def test_services_have_an_owner_another_owner_and_none(state: SimulatorState) -> None:
    owners = [next(iter(one.get("annotations", {})), None) for one in state.services.listed()]
    assert owners == [
        "gateway.tailscale.com/owner-references",
        "tailscale.com/owner-references",
        None,
    ]
