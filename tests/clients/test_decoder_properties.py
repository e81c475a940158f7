import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from discovery.clients.devices import decode_device, decode_devices
from discovery.clients.errors import MalformedAnswerError
from discovery.tailnet import DeviceList

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ADDRESSES = st.lists(
    st.ip_addresses().map(str) | st.text(max_size=6) | st.sampled_from(["100.64.0.1", "fd7a::1"]),
    max_size=3,
)
TIMES = st.sampled_from(
    ["", "0001-01-01T00:00:00Z", "2026-01-02T03:04:05+02:00", "9999-12-31T23:59:59-05:00", "soon"]
)
ENTRIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "nodeId": st.text(max_size=2) | JSON,
        "id": st.text(max_size=2) | JSON,
        "name": st.text() | JSON,
        "addresses": ADDRESSES | JSON,
        "tags": st.lists(st.text(max_size=3), max_size=4) | JSON,
        "authorized": st.booleans() | JSON,
        "expires": TIMES | JSON,
        "connectedToControl": JSON,
    },
)


def body_of(entries: list[Any]) -> bytes:
    return json.dumps({"devices": entries}).encode()


def contents(listed: DeviceList) -> tuple[frozenset[Any], list[tuple[Any, ...]]]:
    """Return what does not depend on the order of the entries."""
    unknown = sorted((str(one.node_id), str(one.name), one.problem) for one in listed.unknown)
    return frozenset(listed.devices), unknown


def only_malformed(body: bytes) -> None:
    for decode in (decode_devices, decode_device):
        with suppress(MalformedAnswerError):
            decode(body, where="")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_list_or_malformed(body: bytes) -> None:
    only_malformed(body)
    only_malformed(b'{"devices":[' + body + b"]}")
    only_malformed(b'{"devices":[{"nodeId":"n","addresses":[],"x":' + body + b"}]}")


@given(JSON)
def test_any_json_is_a_list_or_malformed(value: Any) -> None:
    only_malformed(json.dumps(value).encode())
    only_malformed(json.dumps({"devices": value}).encode())


@given(st.lists(ENTRIES, max_size=5))
def test_every_entry_is_a_device_or_unknown(entries: list[Any]) -> None:
    listed = decode_devices(body_of(entries), where="")
    assert len(listed.devices) + len(listed.unknown) == len(entries)
    assert [one.position for one in listed.unknown] == sorted(
        {one.position for one in listed.unknown}
    )
    identities = [device.node_id for device in listed.devices]
    assert all(identities)
    assert len(set(identities)) == len(identities)


@given(st.lists(ENTRIES, max_size=5))
def test_what_is_decoded_is_normal_already(entries: list[Any]) -> None:
    listed = decode_devices(body_of(entries), where="")
    for device in listed.devices:
        assert device.tags == tuple(sorted(set(device.tags)))
        assert device.addresses == tuple(sorted(set(device.addresses)))
        assert not device.name.endswith(".")
        assert device.expires is None or device.expires.year > 1


@given(st.lists(ENTRIES, max_size=5), st.lists(ENTRIES, max_size=5))
def test_a_previous_list_changes_nothing_but_identity(before: list[Any], now: list[Any]) -> None:
    previous = decode_devices(body_of(before), where="")
    assert decode_devices(body_of(now), where="", previous=previous) == decode_devices(
        body_of(now), where=""
    )


@given(st.data())
def test_the_order_of_the_entries_does_not_matter(data: st.DataObject) -> None:
    entries = data.draw(st.lists(ENTRIES, max_size=5))
    # Of two entries with one nodeId the order does decide which counts.
    entries = [
        {**entry, "nodeId": f"n{number}"} if isinstance(entry, dict) else entry
        for number, entry in enumerate(entries)
    ]
    permuted = data.draw(st.permutations(entries))
    assert contents(decode_devices(body_of(entries), where="")) == contents(
        decode_devices(body_of(permuted), where="")
    )
