import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.devices import decode_device, decode_devices
from discovery.clients.errors import MalformedAnswerError
from discovery.tailnet import Device, DeviceList, UnknownDevice

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"
GOOD = {"nodeId": "nGOOD", "addresses": ["100.64.0.1"]}


def decoded(*devices: Any, previous: DeviceList | None = None) -> DeviceList:
    body = json.dumps({"devices": devices}).encode()
    return decode_devices(body, where="GET /devices", previous=previous)


def one(**fields: Any) -> Device:
    """Decode the good device with other fields beside it, in both ways a list can be read."""
    entry = {**GOOD, **fields}
    (quick,) = decoded(entry).devices
    slow, _ = decoded(entry, {"nodeId": "nEMPTY", "addresses": []}).devices
    assert quick == slow
    return quick


def unknown(entry: Any) -> UnknownDevice:
    """Decode an entry that can not be read, after one that can."""
    listed = decoded(GOOD, entry)
    assert [device.node_id for device in listed.devices] == ["nGOOD"]
    (found,) = listed.unknown
    assert found.position == 1
    return found


def refusal(body: bytes) -> str:
    with pytest.raises(MalformedAnswerError) as caught:
        decode_devices(body, where="GET /devices")
    assert caught.value.where == "GET /devices"
    return caught.value.message


def test_a_device_with_every_field_of_the_contract() -> None:
    device = one(
        id="7345120099812345",
        name="api-1.company.ts.net",
        hostname="api-1",
        addresses=["100.84.12.7", "fd7a:115c:a1e0::c401:c07"],
        tags=["tag:env-production"],
        authorized=False,
        isExternal=True,
        keyExpiryDisabled=True,
        expires="2026-08-29T08:15:30Z",
        connectedToControl=True,
        blocksIncomingConnections=True,
        tailnetLockError="node key is not signed",
        clientConnectivity={"latency": {"Frankfurt": {"latencyMs": 8.41}}},
    )
    assert device == Device(
        node_id="nGOOD",
        name="api-1.company.ts.net",
        addresses=("100.84.12.7", "fd7a:115c:a1e0::c401:c07"),
        tags=("tag:env-production",),
        authorized=False,
        is_external=True,
        key_expiry_disabled=True,
        expires=datetime(2026, 8, 29, 8, 15, 30, tzinfo=UTC),
        connected_to_control=True,
        blocks_incoming_connections=True,
        tailnet_lock_error="node key is not signed",
    )


def test_absent_fields_have_the_defaults_of_a_device() -> None:
    assert one() == Device(node_id="nGOOD", addresses=("100.64.0.1",))


@pytest.mark.parametrize(
    "name",
    [
        "name", "tags", "authorized", "isExternal", "keyExpiryDisabled", "expires",
        "connectedToControl", "lastSeen", "blocksIncomingConnections", "tailnetLockError", "id",
    ],
)  # fmt: skip
def test_null_is_the_same_as_absent(name: str) -> None:
    assert one(**{name: None}) == one()


def test_a_null_node_id_is_absent() -> None:
    assert one(nodeId=None, id="42") == Device(node_id="42", addresses=("100.64.0.1",))


def test_the_legacy_id_stands_in_for_an_absent_node_id() -> None:
    (device,) = decoded({"id": "42", "addresses": ["100.64.0.1"]}).devices
    assert device.node_id == "42"


def test_an_empty_node_id_is_absent() -> None:
    assert one(nodeId="", id="42").node_id == "42"


def test_the_node_id_wins_over_the_legacy_id() -> None:
    assert one(id="42").node_id == "nGOOD"


def test_only_an_explicit_no_means_not_authorized() -> None:
    assert one().authorized
    assert not one(authorized=False).authorized


def test_offline_and_not_said_differ() -> None:
    assert one(connectedToControl=False).connected_to_control is False
    assert one().connected_to_control is None


@pytest.mark.parametrize("created", ["", None, 5, "yesterday"])
def test_what_created_holds_does_not_matter(created: object) -> None:
    assert one(created=created, clientVersion="", machineKey="") == one()


@pytest.mark.parametrize("last_seen", ["", None, "2026-10-30T23:59:58.123456789Z", 5])
def test_what_last_seen_holds_does_not_matter(last_seen: object) -> None:
    assert one(lastSeen=last_seen) == one()


@pytest.mark.parametrize(
    "nothing",
    [
        "",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "0001-01-01T00:00:00-05:00",
        "9999-12-31T23:59:59-05:00",
    ],
)
def test_a_time_that_means_nothing_is_no_expiry(nothing: str) -> None:
    assert one(expires=nothing).expires is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2020-01-02T03:04:05Z", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123457, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05-08:00", datetime(2026, 1, 2, 11, 4, 5, tzinfo=UTC)),
    ],
)
def test_expires_is_in_utc(text: str, time: datetime) -> None:
    expires = one(expires=text).expires
    assert expires == time
    assert expires is not None
    assert expires.tzinfo is UTC


@pytest.mark.parametrize("tags", [None, []])
def test_no_tags(tags: object) -> None:
    assert one(tags=tags).tags == ()


def test_tags_are_a_sorted_set() -> None:
    assert one(tags=["tag:b", "tag:a", "tag:b"]).tags == ("tag:a", "tag:b")
    assert one(tags=["tag:a", "tag:a"]).tags == ("tag:a",)


def test_addresses_are_a_sorted_set() -> None:
    addresses = ["fd7a:115c:a1e0::1", "100.64.0.1", "100.64.0.1"]
    assert one(addresses=addresses).addresses == ("100.64.0.1", "fd7a:115c:a1e0::1")


def test_a_device_without_any_address_is_a_device() -> None:
    assert decoded({"nodeId": "n1", "addresses": []}).devices == (Device(node_id="n1"),)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("api-1.company.ts.net.", "api-1.company.ts.net"),
        ("API-1.Company.TS.net", "api-1.company.ts.net"),
        ("bare-label", "bare-label"),
        ("", ""),
    ],
)
def test_names_are_lower_case_without_the_last_dot(sent: str, name: str) -> None:
    assert one(name=sent).name == name


def test_unknown_fields_are_passed_over_whatever_they_hold() -> None:
    assert one(future={"deep": [1, {"x": None}]}, hostname=7, distro=None) == one()


def test_keys_are_case_sensitive() -> None:
    assert one(NodeID="nOTHER", Tags=["tag:x"]) == one()


@pytest.mark.parametrize(
    ("entry", "node_id", "problem"),
    [
        (None, None, "got `null`"),
        ("text", None, "got `str`"),
        ([], None, "got `array`"),
        ({}, None, "neither nodeId nor id"),
        ({"addresses": ["100.64.0.2"], "name": "x"}, None, "neither nodeId nor id"),
        ({"nodeId": 5, "id": "42", "addresses": ["100.64.0.2"]}, None, "nodeId"),
        ({"id": 42, "addresses": ["100.64.0.2"]}, None, "nodeId"),
        ({"nodeId": "n2"}, "n2", "no addresses"),
        ({"nodeId": "n2", "addresses": None}, "n2", "no addresses"),
        ({"nodeId": "n2", "addresses": "100.64.0.2"}, "n2", "$.addresses"),
        ({"nodeId": "n2", "addresses": [5]}, "n2", "$.addresses"),
        ({"nodeId": "n2", "addresses": ["100.64.0.2/32"]}, "n2", "100.64.0.2/32"),
        ({"nodeId": "n2", "addresses": ["100.064.0.2"]}, "n2", "100.064.0.2"),
        ({"nodeId": "n2", "addresses": [""]}, "n2", "address"),
        ({"nodeId": "n2", "addresses": ["fd7a::1%eth0"]}, "n2", "fd7a::1%eth0"),
        ({"nodeId": "n2", "addresses": ["a\0b"]}, "n2", "a b"),
        ({**GOOD, "nodeId": "n2", "tags": "tag:x"}, "n2", "$.tags"),
        ({**GOOD, "nodeId": "n2", "tags": ["tag:x", 5]}, "n2", "$.tags"),
        ({**GOOD, "nodeId": "n2", "tags": [None]}, "n2", "$.tags"),
        ({**GOOD, "nodeId": "n2", "name": 5}, "n2", "$.name"),
        ({**GOOD, "nodeId": "n2", "authorized": "yes"}, "n2", "$.authorized"),
        ({**GOOD, "nodeId": "n2", "isExternal": 1}, "n2", "$.isExternal"),
        ({**GOOD, "nodeId": "n2", "expires": "soon"}, "n2", "$.expires"),
        ({**GOOD, "nodeId": "n2", "expires": 1790000000}, "n2", "$.expires"),
        ({**GOOD, "nodeId": "n2", "expires": "2026-01-02T03:04:05"}, "n2", "offset"),
        ({**GOOD, "nodeId": "n2", "tailnetLockError": False}, "n2", "$.tailnetLockError"),
    ],
)
def test_a_device_that_can_not_be_read_is_unknown(
    entry: object, node_id: str | None, problem: str
) -> None:
    found = unknown(entry)
    assert found.node_id == node_id
    assert problem in found.problem


def test_an_unknown_device_keeps_its_name_where_that_is_readable() -> None:
    assert unknown({"nodeId": "n2", "name": "api-2.company.ts.net"}).name == "api-2.company.ts.net"
    assert unknown({"nodeId": "n2", "name": 5}).name is None


def test_a_broken_text_spoils_its_own_device_only() -> None:
    body = b'{"devices":[{"nodeId":"n1","addresses":[]},{"nodeId":"\xff","addresses":[]}]}'
    listed = decode_devices(body, where="")
    assert [device.node_id for device in listed.devices] == ["n1"]
    assert [entry.position for entry in listed.unknown] == [1]


def test_the_later_of_two_devices_with_one_node_id_is_unknown() -> None:
    listed = decoded(GOOD, {**GOOD, "name": "other"})
    assert [device.name for device in listed.devices] == [""]
    (found,) = listed.unknown
    assert (found.position, found.node_id, found.name) == (1, "nGOOD", "other")
    assert "same nodeId" in found.problem


def test_a_legacy_id_equal_to_a_node_id_is_a_second_one_too() -> None:
    listed = decoded(GOOD, {"id": "nGOOD", "addresses": []})
    assert [entry.node_id for entry in listed.unknown] == ["nGOOD"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<!doctype html><title>Bad gateway</title>", "HTML"),
        (b"not json", "not JSON"),
        (b'{"devices":[{"nodeId":"n1"', "truncated"),
        (b'{"devices":[]}{"devices":[]}', "trailing"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[]", "got `array`"),
        (b"null", "got `null`"),
        (b"7", "got `int`"),
        (b"{}", "no key at all"),
        (b'{"message":"not found"}', "message"),
        (b'{"Devices":[]}', "Devices"),
        (b'{"devices":null}', "got `null`"),
        (b'{"devices":{}}', "got `object`"),
        (b'{"devices":"none"}', "got `str`"),
        (b'{"devices":' + b"[" * 100_000, "not JSON"),
    ],
)
def test_anything_but_an_object_with_devices_is_malformed(body: bytes, found: str) -> None:
    assert found in refusal(body)


def test_a_foreign_body_is_named_by_five_keys_at_most() -> None:
    body = json.dumps({f"key{number}": 0 for number in range(9)}).encode()
    assert refusal(body).endswith("it has key0, key1, key2, key3, key4")


def test_an_empty_list_is_an_empty_list() -> None:
    listed = decoded()
    assert (listed.devices, listed.unknown) == ((), ())


def test_devices_keep_the_order_of_the_answer() -> None:
    listed = decoded({**GOOD, "nodeId": "nB"}, {**GOOD, "nodeId": "nA"})
    assert [device.node_id for device in listed.devices] == ["nB", "nA"]


def test_the_digest_is_of_the_bytes() -> None:
    first = decode_devices(b'{"devices":[]}', where="")
    same = decode_devices(b'{"devices":[]}', where="")
    other = decode_devices(b'{"devices": []}', where="")
    assert first.digest == same.digest != other.digest


def test_the_same_bytes_give_the_previous_list_itself() -> None:
    first = decoded(GOOD)
    assert decoded(GOOD, previous=first) is first


def test_an_unchanged_device_is_the_identical_object() -> None:
    first = decoded(GOOD, {**GOOD, "nodeId": "n2", "tags": ["tag:b", "tag:a"], "name": "X."})
    second = decoded(
        {**GOOD, "clientVersion": "2", "tags": []},
        {**GOOD, "nodeId": "n2", "tags": ["tag:a", "tag:b", "tag:b"], "name": "x"},
        previous=first,
    )
    assert second is not first
    assert second.devices[0] is first.devices[0]
    assert second.devices[1] is first.devices[1]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"addresses": ["100.64.0.2"]},
        {"tags": ["tag:a"]},
        {"authorized": False},
        {"isExternal": True},
        {"keyExpiryDisabled": True},
        {"expires": "2026-01-02T03:04:05Z"},
        {"connectedToControl": False},
        {"blocksIncomingConnections": True},
        {"tailnetLockError": "unsigned"},
    ],
)
def test_a_changed_device_is_another_object(change: dict[str, Any]) -> None:
    first = decoded(GOOD)
    (device,) = decoded({**GOOD, **change}, previous=first).devices
    assert device != first.devices[0]


def test_a_device_that_became_unreadable_is_not_kept_from_the_previous_list() -> None:
    listed = decoded({"nodeId": "nGOOD"}, previous=decoded(GOOD))
    assert listed.devices == ()
    assert [entry.node_id for entry in listed.unknown] == ["nGOOD"]


def test_the_fleet_of_the_fixtures_is_read_whole() -> None:
    body = FLEET.read_bytes()
    listed = decode_devices(body, where="")
    assert len(listed.devices) == len(json.loads(body)["devices"])
    assert listed.unknown == ()


def test_a_single_device() -> None:
    body = json.dumps({"id": "42", "addresses": ["100.64.0.1"], "name": "X."}).encode()
    device = decode_device(body, where="")
    assert device == Device(node_id="42", addresses=("100.64.0.1",), name="x")


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"<html>", b"{}", b'{"nodeId":"n1"}', b'{"nodeId":"n1","addresses":["x"]}'],
)
def test_a_single_device_that_can_not_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError, match=r"the body is no device: .*\(GET /device/n1\)"):
        decode_device(body, where="GET /device/n1")
