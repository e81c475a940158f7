from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import V1EndpointSlice

from discovery.plan.changes import Action, Changes
from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.owner import Owner
from discovery.plan.ports import Port
from discovery.plan.slices import EndpointSlice, Readiness, always_ready, desired, diff

FIXTURES = Path(__file__).parents[3] / "fixtures" / "slices"
OWNER = Owner("default", "web", "uid-1", "web", headless=True, instance="main")
NO_SERVICE = replace(OWNER, service_name=None)
T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
T1 = T0 + timedelta(minutes=1)
HTTP = Port("http", 80, app_protocol="http")
NODES = "gateway.tailscale.com/nodes"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"


def machine(number: int, *ports: Port) -> Endpoint:
    address = IPv4Address("100.64.0.0") + number
    name = f"m{number:03}"
    return Endpoint(name, Source.TAG_SELECTOR, f"n{number}", "", (address,), ports or (HTTP,))


def machines(*numbers: int) -> list[Endpoint]:
    return [machine(number) for number in numbers]


def unready(*numbers: int) -> Readiness:
    return lambda address, _port: int(address) - int(IPv4Address("100.64.0.0")) not in numbers


def written(changes: Changes) -> list[EndpointSlice]:
    """Return the slices that the changes create or update, as a server would answer them."""
    slices = [EndpointSlice.parse(change.after) for change in changes if change.after]
    return [replace(s, uid=f"uid-of-{s.name}", resource_version="7") for s in slices]


def existing(
    endpoints: Iterable[Endpoint], owner: Owner = OWNER, readiness: Readiness = always_ready
) -> list[EndpointSlice]:
    return written(diff([], desired(owner, endpoints, readiness), T0))


def plan(
    current: Sequence[EndpointSlice], endpoints: Iterable[Endpoint], owner: Owner = OWNER
) -> Changes:
    return diff(current, desired(owner, endpoints), T1)


def after(changes: Changes) -> dict[str, Any]:
    """Return the one object that is applied."""
    (change,) = changes
    assert change.after is not None
    return dict(change.after)


@pytest.mark.parametrize(
    ("fixture", "owner", "endpoints"),
    [
        (
            "checked-port-and-both-families.yaml",
            OWNER,
            [
                Endpoint(
                    "api-2",
                    Source.TAG_SELECTOR,
                    "nB2CNTRL",
                    "api-2.example.ts.net",
                    (IPv4Address("100.64.0.2"), IPv6Address("fd7a:115c:a1e0::2")),
                    (Port("http", 8080, app_protocol="http", checked=True), Port("metrics", 9100)),
                ),
                Endpoint(
                    "api-1",
                    Source.STATIC,
                    "",
                    "api-1.example.ts.net",
                    (IPv4Address("100.64.0.1"),),
                    (Port("http", 8080, app_protocol="http", checked=True),),
                ),
            ],
        ),
        (
            "long-name-no-service.yaml",
            Owner(
                "shop",
                "checkout-backends-of-the-eastern-region.example.com",
                "uid-2",
                None,
                headless=False,
                instance="blue",
            ),
            machines(1),
        ),
    ],
)
def test_created_slices_are_as_recorded(
    fixture: str, owner: Owner, endpoints: list[Endpoint]
) -> None:
    wanted = desired(owner, endpoints, lambda address, _port: str(address) != "100.64.0.1")
    changes = diff([], wanted, T0)
    recorded = list(yaml.safe_load_all((FIXTURES / fixture).read_text()))
    assert [change.after for change in changes.gains] == recorded
    for manifest in recorded:
        V1EndpointSlice.model_validate(manifest)


def test_nothing_is_written_where_nothing_differs() -> None:
    current = existing(machines(1, 2))
    changes = plan(current, machines(2, 1))
    assert not changes
    assert changes.counts == {}


def test_no_endpoints_are_no_slices_not_even_an_empty_one() -> None:
    assert not plan([], [])
    changes = plan(existing(machines(1)), [])
    assert changes.counts == {Action.DELETE: 1}
    assert [change.reason for change in changes.deletes] == ["Endpoints: 1 gone."]


def test_a_joining_endpoint_is_an_update_of_the_slice_that_has_room() -> None:
    (held,) = existing(machines(1))
    changes = plan([held], machines(1, 2))
    (change,) = changes.gains
    assert (change.action, change.name, change.reason) == ("update", held.name, "Endpoints: 1 new.")
    assert change.before == held.manifest()
    assert [e["hostname"] for e in after(changes)["endpoints"]] == ["m001", "m002"]


def test_an_update_carries_uid_and_version_of_what_it_was_decided_on() -> None:
    (held,) = existing(machines(1))
    metadata = after(plan([held], machines(1, 2)))["metadata"]
    assert (metadata["uid"], metadata["resourceVersion"]) == (held.uid, held.resource_version)
    assert held.resource_version


def test_a_delete_has_uid_and_version_of_what_it_deletes() -> None:
    (held,) = existing(machines(1))
    (change,) = plan([held], []).deletes
    assert change.before is not None
    assert change.before["metadata"]["uid"] == held.uid
    assert change.before["metadata"]["resourceVersion"] == "7"
    assert change.after is None


def test_a_leaving_endpoint_is_a_loss() -> None:
    changes = plan(existing(machines(1, 2)), machines(1))
    assert [change.reason for change in changes.losses] == ["Endpoints: 1 gone."]


def test_an_endpoint_that_replaces_another_is_one_gain() -> None:
    changes = plan(existing(machines(1)), machines(2))
    assert [change.reason for change in changes.gains] == ["Endpoints: 1 new, 1 gone."]
    assert len(changes) == 1


def test_readiness_is_updated_in_place() -> None:
    checked = Port("http", 80, app_protocol="http", checked=True)
    endpoints = [machine(1, checked), machine(2, checked)]
    (held,) = existing(endpoints)
    changes = diff([held], desired(OWNER, endpoints, unready(2)), T1)
    assert [(c.name, c.reason) for c in changes.gains] == [(held.name, "Endpoints: 1 changed.")]
    assert [e["conditions"]["ready"] for e in after(changes)["endpoints"]] == [True, False]


def test_a_change_of_endpoints_carries_when_its_cause_was_fetched() -> None:
    changes = plan(existing(machines(1)), machines(1, 2))
    assert after(changes)["metadata"]["annotations"][TRIGGER] == "2026-03-01T12:01:00Z"


def test_the_trigger_time_is_written_in_utc() -> None:
    time = datetime(2026, 3, 1, 13, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=1)))
    changes = diff([], desired(OWNER, machines(1)), time)
    assert after(changes)["metadata"]["annotations"][TRIGGER] == "2026-03-01T12:00:00.250000Z"


def test_a_change_of_labels_alone_keeps_the_trigger_time() -> None:
    current = existing(machines(1))
    changes = plan(current, machines(1), replace(OWNER, headless=False))
    assert [c.reason for c in changes.gains] == ["Labels, owner or fields of others are put right."]
    assert after(changes)["metadata"]["annotations"][TRIGGER] == "2026-03-01T12:00:00Z"
    assert "service.kubernetes.io/headless" not in after(changes)["metadata"]["labels"]


@pytest.mark.parametrize(
    "drift",
    [
        {"drifted": True},
        {"labels": ()},
        {"labels": (*OWNER.slice_labels.items(), ("gateway.tailscale.com/endpoints", "x"))},
        {"owner_uid": ""},
        {"owner_uid": "uid-of-a-former-owner"},
    ],
)
def test_drift_is_put_right(drift: dict[str, Any]) -> None:
    (held,) = existing(machines(1))
    changes = plan([replace(held, **drift)], machines(1))
    assert after(changes) == {**held.manifest(), "metadata": after(changes)["metadata"]}
    assert replace(EndpointSlice.parse(after(changes)), resource_version="7") == held


def test_the_device_behind_an_address_is_updated_in_place() -> None:
    (held,) = existing(machines(1))
    changes = plan([held], [replace(machine(1), node_id="n9")])
    assert after(changes)["metadata"]["annotations"][NODES] == '{"m001":"n9"}'


def test_a_new_slice_takes_the_lowest_index_that_is_neither_live_nor_being_deleted() -> None:
    endpoints = machines(*range(1, 401))
    stem = existing(machines(1))[0].name.removesuffix("-0")
    live, deleting, foreign = f"{stem}-0", f"{stem}-1", f"{stem}-3"
    (full,) = existing(machines(*range(1, 101)))
    going = replace(existing(machines(500))[0], name=deleting, deleting=True)
    assert full.name == live
    changes = diff([full, going], desired(OWNER, endpoints), T1, taken={foreign})
    assert [c.name for c in changes] == [f"{stem}-2", f"{stem}-4", f"{stem}-5"]


def test_what_a_slice_holds_that_is_being_deleted_is_held_by_nobody() -> None:
    (held,) = existing(machines(1))
    changes = plan([replace(held, deleting=True)], machines(1))
    assert [(c.action, c.name == held.name) for c in changes] == [("create", False)]


def test_a_slice_that_is_being_deleted_is_not_deleted_again() -> None:
    (held,) = existing(machines(1))
    assert not plan([replace(held, deleting=True)], [])


def test_101_endpoints_are_two_slices() -> None:
    changes = plan([], machines(*range(1, 102)))
    assert [len(dict(c.after or {})["endpoints"]) for c in changes] == [100, 1]


def test_what_fits_in_one_resting_slice_goes_into_the_fullest_that_has_room() -> None:
    current = existing(machines(*range(1, 251)))
    half, rest = current[2], machines(*range(1, 251))
    almost = replace(
        half, name="web-x-9", endpoints=existing(machines(*range(300, 390)))[0].endpoints
    )
    endpoints = [*rest, *machines(*range(300, 390)), *machines(400, 401)]
    changes = plan([*current, almost], endpoints)
    assert [(c.action, c.name) for c in changes] == [("update", "web-x-9")]


def test_what_fits_in_no_resting_slice_is_created_and_never_spread() -> None:
    current = existing(machines(*range(1, 96)))
    changes = plan(current, machines(*range(1, 102)))
    assert [c.action for c in changes] == ["create"]


def test_the_smallest_of_the_slices_to_write_gives_its_endpoints_and_goes() -> None:
    first, second, third = existing(machines(*range(1, 301)))
    small = replace(third, endpoints=third.endpoints[:10])
    staying = [*range(2, 101), *range(101, 191), *range(202, 211)]
    changes = plan([first, second, small], machines(*staying))
    assert changes.counts == {Action.UPDATE: 2, Action.DELETE: 1}
    (gone,) = changes.deletes
    assert gone.name == small.name
    assert gone.reason == "Endpoints: 9 moved out, 1 gone."
    assert gone.needs == (first.name, second.name)
    assert [c.reason for c in changes.gains] == [
        "Endpoints: 1 moved in, 1 gone.",
        "Endpoints: 8 moved in, 10 gone.",
    ]


def test_room_among_the_slices_to_write_is_left_in_one_piece() -> None:
    first, second = existing(machines(*range(1, 201)))
    changes = plan([first, second], machines(*range(11, 101), *range(121, 201)))
    sizes = {c.name: len(dict(c.after or {})["endpoints"]) for c in changes}
    assert sizes == {first.name: 100, second.name: 70}
    assert [(c.name, c.needs) for c in changes.losses] == [(second.name, (first.name,))]


def test_a_slice_that_need_not_be_written_is_never_merged() -> None:
    first, second = existing(machines(*range(1, 151)))
    changes = plan([first, second], machines(*range(2, 151)))
    assert [c.name for c in changes] == [first.name]


def test_of_two_slices_with_one_endpoint_the_fuller_keeps_it() -> None:
    (big,) = existing(machines(1, 2))
    small = replace(existing(machines(1))[0], name="web-a")
    changes = plan([small, big], machines(1, 2))
    assert [(c.action, c.name, c.needs) for c in changes] == [("delete", "web-a", ())]
    assert changes.deletes[0].reason == "Endpoints: 1 gone."


def test_an_empty_slice_is_deleted() -> None:
    empty = replace(existing(machines(1))[0], endpoints=())
    changes = plan([empty], [])
    assert [c.reason for c in changes.deletes] == ["It holds no endpoint."]


def test_an_emptied_slice_is_filled_again_rather_than_replaced() -> None:
    (held,) = existing(machines(1, 2))
    changes = plan([held], machines(3, 4))
    assert [(c.action, c.name) for c in changes] == [("update", held.name)]


def test_a_slice_that_is_too_full_hands_over_what_exceeds_100() -> None:
    first, second = existing(machines(*range(1, 131)))
    union = replace(first, endpoints=(*first.endpoints, *second.endpoints))
    changes = plan([union], machines(*range(1, 131)))
    assert [(c.action, c.needs) for c in changes] == [
        ("create", ()),
        ("update", (changes.gains[0].name,)),
    ]


def test_a_slice_that_is_too_full_gives_up_first_what_others_hold_too() -> None:
    first, second = existing(machines(*range(1, 131)))
    union = replace(first, endpoints=(*first.endpoints, *second.endpoints))
    other = replace(second, endpoints=first.endpoints[:30])
    changes = plan([union, other], machines(*range(1, 131)))
    assert [(c.name, c.reason) for c in changes] == [(union.name, "Endpoints: 30 gone.")]


def test_endpoints_stay_sorted_by_name_when_one_joins() -> None:
    changes = plan(existing(machines(2, 4)), machines(1, 2, 3, 4))
    names = [e["hostname"] for e in after(changes)["endpoints"]]
    assert names == ["m001", "m002", "m003", "m004"]


def test_another_port_number_moves_an_endpoint_gain_first() -> None:
    (held,) = existing(machines(1))
    changes = plan([held], [machine(1, Port("http", 8080, app_protocol="http"))])
    (gain,), (delete,) = changes.gains, changes.deletes
    assert (gain.action, gain.reason) == ("create", "Endpoints: 1 moved in.")
    assert (delete.name, delete.needs) == (held.name, (gain.name,))


def test_another_port_name_is_no_move_since_clients_ask_for_the_name() -> None:
    changes = plan(existing(machines(1)), [machine(1, Port("web", 80))])
    assert [c.reason for c in changes] == ["Endpoints: 1 new.", "Endpoints: 1 gone."]
    assert changes.deletes[0].needs == ()


def test_a_port_that_gets_a_check_leaves_the_shared_slice_only_when_both_new_ones_stand() -> None:
    metrics = Port("metrics", 9100)
    (held,) = existing([machine(1, HTTP, metrics)])
    checked = replace(HTTP, checked=True)
    changes = plan([held], [machine(1, checked, metrics)])
    (delete,) = changes.deletes
    assert len(changes.gains) == 2
    assert delete.needs == tuple(sorted(c.name for c in changes.gains))


def test_a_slice_whose_resource_gives_up_its_service_is_replaced_gain_first() -> None:
    (held,) = existing(machines(1))
    changes = plan([held], machines(1), NO_SERVICE)
    (gain,), (delete,) = changes.gains, changes.deletes
    assert delete.needs == (gain.name,)
    assert gain.after is not None
    assert "kubernetes.io/service-name" not in gain.after["metadata"]["labels"]
    assert not plan(written(changes), machines(1), NO_SERVICE)


def test_another_service_name_is_a_change_of_labels() -> None:
    (held,) = existing(machines(1))
    changes = plan([held], machines(1), replace(OWNER, service_name="shop"))
    assert [(c.action, c.name) for c in changes] == [("update", held.name)]
    assert after(changes)["metadata"]["labels"]["kubernetes.io/service-name"] == "shop"


def test_slices_without_service_name_get_one_in_place() -> None:
    (held,) = existing(machines(1), NO_SERVICE)
    changes = plan([held], machines(1))
    assert [(c.action, c.name) for c in changes] == [("update", held.name)]
