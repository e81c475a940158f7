import copy
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

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


device_lists = st.lists(
    st.lists(
        st.builds(
            Device,
            node_id=st.sampled_from([f"n{i}" for i in range(6)]),
            name=st.just("a.company.ts.net"),
            addresses=st.sampled_from([("100.64.0.1",), ("100.64.0.2",), ()]),
            tags=st.sampled_from(
                [(), ("tag:env-production",), ("tag:env-staging",), ("tag:env", "tag:nothing")]
            ),
            authorized=st.booleans(),
            expires=st.sampled_from([None, NOW + timedelta(minutes=2)]),
        ),
        unique_by=lambda device: device.node_id,
    ),
    max_size=5,
)


@settings(max_examples=150)
@given(device_lists)
def test_following_changes_comes_to_the_same_as_starting_anew(lists: list[list[Device]]) -> None:
    followed = selection()
    before = {key: followed.matched(key) for key in (API, ALL)}
    for minute, devices in enumerate(lists):
        now = NOW + timedelta(minutes=minute)
        given_devices = copy.deepcopy(devices)
        touched = followed.refresh(devices, now)
        anew = selection()
        anew.refresh(reversed(devices), now)
        after = {key: followed.matched(key) for key in (API, ALL)}

        assert after == {key: anew.matched(key) for key in (API, ALL)}
        assert followed.excluded == anew.excluded
        assert {key for key in after if after[key] != before[key]} <= touched
        assert devices == given_devices
        before = after
