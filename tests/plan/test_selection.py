import copy
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.plan.gate import Exclusion
from discovery.plan.policy import TailnetPolicy
from discovery.plan.selection import Selection
from discovery.tailnet import Device
from discovery.v1alpha1 import Key, TailscaleEndpointsSpec

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",))
API, ALL, PINNED = Key("default", "api"), Key("default", "all"), Key("default", "pinned")


def spec(**fields: Any) -> TailscaleEndpointsSpec:
    return TailscaleEndpointsSpec.model_validate({"tailnet": "company.ts.net", **fields})


def tagged(operator: str, key: str, *values: str) -> TailscaleEndpointsSpec:
    requirement = {"key": key, "operator": operator}
    return spec(tagSelectors=[requirement | ({"values": list(values)} if values else {})])


def selection(*devices: Device) -> Selection:
    made = Selection(POLICY)
    made.define({API: tagged("In", "env", "production"), ALL: tagged("DoesNotExist", "nothing")})
    made.refresh(devices, NOW)
    return made


def nodes(made: Selection, key: Key) -> list[str]:
    return [device.node_id for device in made.matched(key)]


def test_an_equal_list_touches_nothing(make: Any) -> None:
    made = selection(make.device(1), make.device(2))

    assert made.refresh([make.device(2), make.device(1)], NOW) == set()


def test_a_change_of_tags_touches_who_selected_before_and_who_selects_now(make: Any) -> None:
    made = selection(make.device(1, "tag:env-staging"))

    assert made.refresh([make.device(1, "tag:env-production")], NOW) == {API, ALL}
    assert nodes(made, API) == ["n1"]


def test_a_change_of_address_touches_whoever_selects_the_device(make: Any) -> None:
    made = selection(make.device(1), make.device(2, "tag:env-staging"))
    moved = make.device(1, addresses=("100.64.0.77",))

    assert made.refresh([moved, make.device(2, "tag:env-staging")], NOW) == {API, ALL}
    assert made.matched(API) == (moved,)


def test_a_device_that_is_gone_is_selected_by_nobody(make: Any) -> None:
    made = selection(make.device(1), make.device(2, is_external=True))

    assert made.refresh([], NOW) == {API, ALL}
    assert nodes(made, ALL) == []
    assert made.excluded == {}


def test_a_device_that_is_not_eligible_is_selected_by_nobody_and_says_why(make: Any) -> None:
    made = selection(make.device(1, authorized=False))

    assert nodes(made, ALL) == []
    assert made.excluded == {"n1": Exclusion.UNAUTHORIZED}

    made.refresh([make.device(1)], NOW)

    assert nodes(made, ALL) == ["n1"]
    assert made.excluded == {}


def test_a_key_that_expires_between_two_equal_lists_is_a_change(make: Any) -> None:
    device = make.device(1, expires=NOW + timedelta(minutes=5))
    made = selection(device)

    assert made.refresh([device], NOW + timedelta(minutes=4)) == set()
    assert made.refresh([device], NOW + timedelta(minutes=5)) == {API, ALL}
    assert made.excluded == {"n1": Exclusion.KEY_EXPIRED}


def test_a_static_address_touches_its_resource_when_its_device_comes_or_goes(make: Any) -> None:
    made = selection()
    made.define({PINNED: spec(endpoints=[make.static("a", "100.64.0.1", 80)])})

    assert PINNED in made.refresh([make.device(1, "tag:x")], NOW)
    assert made.by_address["100.64.0.1"].node_id == "n1"
    assert PINNED in made.refresh([], NOW)

    made.define({PINNED: None})

    assert PINNED not in made.refresh([make.device(1, "tag:x")], NOW)


def test_a_shared_in_device_owns_no_static_address(make: Any) -> None:
    made = selection(make.device(1, is_external=True))

    assert made.by_address == {}


def test_denied_networks_hold_in_the_gate(make: Any) -> None:
    denied = TailnetPolicy("t", denied=(IPv4Network("100.64.0.0/16"),))
    made = Selection(denied)
    made.refresh([make.device(1, addresses=("100.64.0.1",))], NOW)

    assert made.excluded == {"n1": Exclusion.DENIED_ADDRESS}


def test_a_resource_that_is_defined_later_selects_among_the_devices_of_the_last_list(
    make: Any,
) -> None:
    made = Selection(POLICY)
    made.refresh([make.device(2), make.device(1)], NOW)
    made.define({API: tagged("In", "env", "production")})

    assert nodes(made, API) == ["n1", "n2"]


def test_an_edited_resource_selects_what_it_says_now(make: Any) -> None:
    made = selection(make.device(1), make.device(2, "tag:env-staging"))
    made.define({API: tagged("In", "env", "staging")})

    assert nodes(made, API) == ["n2"]
    assert made.refresh([make.device(1)], NOW) == {API, ALL}


def test_a_spec_that_did_not_change_is_not_evaluated_again(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = selection(make.device(1))
    evaluated: list[set[Key]] = []
    monkeypatch.setattr(made._index, "define", lambda selectors: evaluated.append(set(selectors)))
    made.define({API: tagged("In", "env", "production"), ALL: tagged("Exists", "env")})
    made.define({API: tagged("In", "env", "production"), PINNED: None})
    made.define({API: None})

    assert evaluated == [{ALL}, {API}]


def test_an_address_that_was_edited_away_touches_its_resource_no_more(make: Any) -> None:
    made = selection()
    made.define({PINNED: spec(endpoints=[make.static("a", "100.64.0.1", 80)])})
    made.define({PINNED: spec(endpoints=[make.static("a", "100.64.0.2", 80)])})

    assert PINNED not in made.refresh([make.device(1)], NOW)
    assert PINNED in made.refresh([make.device(1), make.device(2)], NOW)


def test_a_device_that_moves_away_from_a_static_address_touches_its_resource(make: Any) -> None:
    made = selection(make.device(1))
    made.define({PINNED: spec(endpoints=[make.static("a", "100.64.0.1", 80)])})

    assert PINNED in made.refresh([make.device(1, addresses=("100.64.0.9",))], NOW)
    assert PINNED not in made.refresh([make.device(1, addresses=("100.64.0.8",))], NOW)


def test_an_address_that_two_devices_claim_is_the_lower_nodes(make: Any) -> None:
    devices = [make.device(n, addresses=("100.64.0.9",)) for n in (2, 1, 3)]

    assert selection(*devices).by_address == selection(*reversed(devices)).by_address
    assert selection(*devices).by_address["100.64.0.9"].node_id == "n1"


def test_only_the_next_key_to_expire_is_waited_for(make: Any) -> None:
    soon = make.device(1, expires=NOW + timedelta(minutes=1))
    later = make.device(2, expires=NOW + timedelta(minutes=2))
    never = make.device(3, expires=NOW + timedelta(minutes=3), key_expiry_disabled=True)
    made = selection(soon, later, never)
    devices = [soon, later, never]

    assert made.refresh(devices, NOW + timedelta(minutes=1)) == {API, ALL}
    assert nodes(made, API) == ["n2", "n3"]
    assert made.refresh(devices, NOW + timedelta(seconds=119)) == set()
    assert made.refresh(devices, NOW + timedelta(minutes=2)) == {API, ALL}
    assert nodes(made, API) == ["n3"]
    assert made.refresh(devices, NOW + timedelta(days=9)) == set()


def test_a_shared_in_devices_expiry_wakes_nobody(make: Any) -> None:
    shared = make.device(1, is_external=True, expires=NOW + timedelta(minutes=1))
    made = selection(shared, make.device(2))

    assert made.refresh([shared, make.device(2)], NOW + timedelta(minutes=2)) == set()


def test_a_new_list_that_matters_to_nobody_touches_nobody(make: Any) -> None:
    made = selection(make.device(1))
    made.define({ALL: None})

    assert made.refresh([make.device(1), make.device(2, "tag:env-staging")], NOW) == set()
    assert set(made.devices) == {"n1", "n2"}


SPECS = {
    API: tagged("In", "env", "production"),
    ALL: tagged("DoesNotExist", "nothing"),
    PINNED: spec(
        endpoints=[
            {
                "name": "a",
                "tailscaleIP": "100.64.0.1",
                "tailscaleFQDN": "a.company.ts.net",
                "port": 80,
                "protocol": "HTTP",
            }
        ]
    ),
}
devices_of = st.lists(
    st.builds(
        Device,
        node_id=st.sampled_from([f"n{i}" for i in range(5)]),
        name=st.just("a.company.ts.net"),
        addresses=st.sampled_from([("100.64.0.1",), ("100.64.0.2",), ()]),
        tags=st.sampled_from(
            [(), ("tag:env-production",), ("tag:env-staging",), ("tag:env", "tag:nothing")]
        ),
        authorized=st.booleans(),
        is_external=st.booleans(),
        expires=st.sampled_from([None, NOW + timedelta(minutes=2)]),
        key_expiry_disabled=st.booleans(),
    ),
    unique_by=lambda device: device.node_id,
)
steps = st.lists(
    st.tuples(
        # None: the list of the step before comes again, so that only time has passed.
        devices_of | st.none(),
        st.dictionaries(
            st.sampled_from(sorted(SPECS)), st.sampled_from([*SPECS.values(), None]), max_size=2
        ),
    ),
    max_size=5,
)


def endpoints_come_from(made: Selection, key: Key) -> tuple[object, ...]:
    """Return everything of a selection that the endpoints of a resource depend on."""
    return made.matched(key), made.by_address.get("100.64.0.1") if key == PINNED else None


@settings(max_examples=150)
@given(steps)
def test_following_changes_comes_to_the_same_as_starting_anew(
    sequence: list[tuple[list[Device] | None, dict[Key, TailscaleEndpointsSpec | None]]],
) -> None:
    followed = Selection(POLICY)
    followed.define(SPECS)
    specs: dict[Key, TailscaleEndpointsSpec | None] = dict(SPECS)
    devices: list[Device] = []
    for minute, (listed, edits) in enumerate(sequence):
        now = NOW + timedelta(minutes=minute)
        devices = devices if listed is None else listed
        specs |= edits
        followed.define(edits)
        anew = Selection(POLICY)
        anew.define(specs)
        followed.refresh(devices, now)
        anew.refresh(reversed(devices), now)

        assert {k: followed.matched(k) for k in specs if specs[k]} == {
            k: anew.matched(k) for k in specs if specs[k]
        }
        assert followed.excluded == anew.excluded
        assert followed.by_address == anew.by_address
        assert followed.devices == anew.devices


@settings(max_examples=150)
@given(st.lists(devices_of | st.none(), max_size=5))
def test_whoever_gets_other_devices_is_touched(lists: list[list[Device] | None]) -> None:
    followed = Selection(POLICY)
    followed.define(SPECS)
    devices: list[Device] = []
    for minute, listed in enumerate(lists):
        devices = devices if listed is None else listed
        before = {key: endpoints_come_from(followed, key) for key in SPECS}
        touched = followed.refresh(devices, NOW + timedelta(minutes=minute))
        after = {key: endpoints_come_from(followed, key) for key in SPECS}

        assert {key for key in SPECS if before[key] != after[key]} <= touched


@given(devices_of, devices_of)
def test_lists_that_are_given_are_not_changed(first: list[Device], second: list[Device]) -> None:
    given_lists = copy.deepcopy((first, second))
    made = selection(*first)
    made.refresh(second, NOW)
    made.devices.clear()

    assert (first, second) == given_lists
