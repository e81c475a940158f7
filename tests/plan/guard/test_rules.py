"""The rules of removal, one by one, over lists that follow each other."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from discovery.plan.endpointslice import EndpointSlice
from discovery.plan.policy import GrantRule
from discovery.tailnet import UnknownDevice
from discovery.v1alpha1 import RemovalPolicy
from tagselectors import TagGrammar
from tests.plan.guard.conftest import (
    MINUTE,
    START,
    History,
    causes,
    device,
    fleet,
    history,
    reasons,
)

STAGING = [{"key": "env", "operator": "In", "values": ["staging"]}]


def without(*numbers: int) -> list[int]:
    return [number for number in range(1, 11) if number not in numbers]


def test_within_the_budget_a_device_that_denies_itself_goes_with_the_first_list(
    ten: History,
) -> None:
    ten.gone = {"n01", "n02", "n03"}
    made = ten.turn(fleet(*without(1, 2, 3)))
    assert causes(made.decision) == {"n01": "Absent", "n02": "Absent", "n03": "Absent"}
    assert ten.names == [f"n{number:02}" for number in without(1, 2, 3)]


def test_a_device_that_gives_no_answer_stays(ten: History) -> None:
    for _ in range(5):
        made = ten.turn(fleet(*without(1)))
        assert reasons(made.decision) == {"n01": "Unconfirmed"}
    assert len(ten.names) == 10


def test_over_the_budget_three_lists_over_two_intervals_must_lack_it(ten: History) -> None:
    ten.gone = {"*"}
    for _ in range(2):
        made = ten.turn(fleet(*without(1, 2, 3, 4)))
        assert set(reasons(made.decision).values()) == {"OverBudget"}
        assert len(ten.names) == 10
    ten.turn(fleet(*without(1, 2, 3, 4)))
    assert len(ten.names) == 6


def test_lists_within_one_interval_count_once(ten: History) -> None:
    ten.gone = {"*"}
    for _ in range(5):
        ten.turn(fleet(*without(1, 2, 3, 4)), after=timedelta(seconds=10))
    assert (len(ten.names), ten.memory["confirmations"]) == (10, 1)


def test_a_device_that_comes_back_starts_again(ten: History) -> None:
    ten.gone = {"*"}
    less = fleet(*without(1, 2, 3, 4))
    ten.turn(less)
    ten.turn(less)
    ten.turn(fleet(*range(1, 11)))
    assert ten.memory == {}
    ten.turn(less)
    ten.turn(less)
    assert len(ten.names) == 10


def test_a_list_that_could_not_be_had_neither_counts_nor_resets(ten: History) -> None:
    ten.gone = {"*"}
    less = fleet(*without(1, 2, 3, 4))
    ten.turn(less)
    ten.turn(less)
    last = ten.now
    stale = {"current": False, "fetched_at": last}
    for _ in range(4):
        ten.turn(less, evidence=stale)
    assert (len(ten.names), ten.memory["confirmations"]) == (10, 2)
    ten.turn(less)
    assert len(ten.names) == 6


def test_nothing_goes_while_no_list_can_be_had(ten: History) -> None:
    less = fleet(*without(1))
    ten.turn(less)
    stale = {"current": False, "fetched_at": ten.now, "answers": {"n01": None}}
    made = ten.turn(less, evidence=stale)
    assert reasons(made.decision) == {"n01": "Unconfirmed"}


def test_an_unreadable_node_id_confirms_and_counts_nothing(ten: History) -> None:
    ten.gone = {"*"}
    entry = [UnknownDevice(3, None, None, "nodeId is missing")]
    for _ in range(5):
        ten.turn(fleet(*without(1)), unknown=entry, evidence={"complete": False})
    assert (len(ten.names), ten.memory["confirmations"]) == (10, 0)
    assert ten.asked == ()
    assert "of unreadable identity" in ten.condition("RemovalBlocked")[2]


def test_a_list_that_was_disproved_removes_and_counts_nothing(ten: History) -> None:
    for _ in range(5):
        made = ten.turn(
            fleet(*without(1, 2)), evidence={"disproved": True, "answers": {"n01": None}}
        )
    assert set(reasons(made.decision).values()) == {"ListIncomplete"}
    assert (len(ten.names), ten.memory["confirmations"]) == (10, 0)


def test_the_last_endpoint_is_always_over_the_budget() -> None:
    one = history()
    one.turn(fleet(1))
    one.gone = {"*"}
    for expected in (["n01"], ["n01"], []):
        one.turn([device(9, "tag:other")])
        assert one.names == expected


def test_a_slow_leak_is_seen(ten: History) -> None:
    ten.gone = {"*"}
    ten.turn(fleet(*without(1, 2)))
    assert len(ten.names) == 8
    made = ten.turn(fleet(*without(1, 2, 3, 4)))
    assert reasons(made.decision) == {"n03": "OverBudget", "n04": "OverBudget"}


def test_a_removal_of_long_ago_does_not_count(ten: History) -> None:
    ten.gone = {"*"}
    ten.turn(fleet(*without(1, 2)))
    for _ in range(3):
        ten.turn(fleet(*without(1, 2)))
    ten.turn(fleet(*without(1, 2, 3, 4)))
    assert len(ten.names) == 6


@pytest.mark.parametrize(("percent", "left"), [(30, 20), (50, 10)])
def test_the_budget_is_a_percentage_of_the_largest_size(percent: int, left: int) -> None:
    made = history(discovery={"removal": {"maxPercent": percent}})
    made.turn(fleet(*range(1, 21)))
    made.gone = {"*"}
    made.turn(fleet(*range(1, 11)))
    assert len(made.names) == left


def test_an_edit_takes_its_own_at_once_even_under_an_outage(ten: History) -> None:
    devices = [*fleet(*range(1, 11)), device(11, "tag:env-staging")]
    ten.turn(devices)
    ten.edit(tagSelectors=STAGING)
    made = ten.turn(devices, evidence={"current": False, "fetched_at": ten.now})
    assert set(causes(made.decision).values()) == {"SpecChanged"}
    assert ten.names == ["n11"]


def test_an_edit_releases_nothing_that_is_guarded(ten: History) -> None:
    less = fleet(*without(1, 2, 3, 4))
    ten.turn(less)
    ten.edit(discovery={"ports": [{"name": "http", "port": 9090}]})
    made = ten.turn(less)
    assert set(reasons(made.decision).values()) == {"OverBudget"}
    assert len(ten.names) == 10


def test_after_a_restart_an_edit_is_guarded(ten: History) -> None:
    devices = [device(n) for n in range(1, 11)] + [device(11, "tag:env-staging")]
    ten.turn(devices)
    ten.edit(tagSelectors=STAGING)
    ten.restart()
    made = ten.turn(devices)
    assert set(reasons(made.decision).values()) == {"OverBudget"}
    assert len(ten.names) == 11


def test_an_edit_that_leaves_nothing_waits_for_a_person(ten: History) -> None:
    devices = fleet(*range(1, 11))
    ten.edit(tagSelectors=STAGING)
    for _ in range(6):
        made = ten.turn(devices)
        assert set(reasons(made.decision).values()) == {"SelectsNothing"}
    assert ten.resource.status is not None
    assert ten.resource.status.observed_generation == 1
    ten.approve()
    ten.turn(devices)
    assert (ten.names, ten.resource.status.observed_generation) == ([], 2)


def test_an_edit_that_leaves_nothing_waits_after_a_restart_too(ten: History) -> None:
    ten.edit(tagSelectors=STAGING)
    ten.restart()
    for _ in range(4):
        made = ten.turn(fleet(*range(1, 11)))
    assert set(reasons(made.decision).values()) == {"SelectsNothing"}


def test_an_edit_that_leaves_none_of_two_goes_at_once() -> None:
    two = history()
    two.turn(fleet(1, 2))
    two.edit(tagSelectors=STAGING)
    two.turn(fleet(1, 2))
    assert two.names == []


def test_a_static_endpoint_that_is_taken_out_goes_at_once() -> None:
    entry = {"name": "db", "tailscaleIP": "100.64.9.9", "port": 80, "protocol": "TCP"}
    made = history(
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}],
    )
    made.turn(fleet(1))
    made.edit(endpoints=[])
    done = made.turn(fleet(1), evidence={"current": False, "fetched_at": made.now})
    assert [(loss.name, loss.cause) for loss in done.decision.released] == [("db", "StaticRemoved")]


def test_an_endpoint_whose_address_is_anothers_goes_at_once(ten: History) -> None:
    stranger = device(99, "tag:other", addresses=("100.64.0.1",))
    made = ten.turn([*fleet(*without(1, 2, 3, 4)), stranger])
    assert causes(made.decision) == {"n01": "Reassigned"}
    assert "n01" not in ten.names


def test_an_untagged_device_must_say_so_itself(ten: History) -> None:
    bare = device(1, tags=())
    devices = [bare, *fleet(*without(1))]
    ten.answers = {"n01": device(1)}
    made = ten.turn(devices)
    assert reasons(made.decision) == {"n01": "Unconfirmed"}
    ten.answers = {"n01": bare}
    made = ten.turn(devices)
    assert causes(made.decision) == {"n01": "Untagged"}


@pytest.mark.parametrize(
    ("listed", "said", "goes"),
    [
        ({"authorized": False}, {"authorized": False}, True),
        ({"authorized": False}, {}, False),
        ({"authorized": False}, {"blocks_incoming_connections": True}, False),
        ({"expires": START, "key_expiry_disabled": False}, {"expires": START}, True),
    ],
)
def test_an_ineligible_device_must_be_so_for_the_same_reason(
    ten: History, listed: dict[str, object], said: dict[str, object], *, goes: bool
) -> None:
    ten.answers = {"n01": device(1, **said)}
    made = ten.turn([device(1, **listed), *fleet(*without(1))])
    assert causes(made.decision) == ({"n01": "Ineligible"} if goes else {})


def test_a_device_that_is_gone_by_now_confirms_whatever_the_list_says(ten: History) -> None:
    ten.gone = {"n01"}
    ten.turn([device(1, tags=()), *fleet(*without(1))])
    assert "n01" not in ten.names


def test_a_source_that_can_not_be_asked_confirms_by_repetition_alone(ten: History) -> None:
    ten.askable = False
    for _ in range(2):
        made = ten.turn(fleet(*without(1)))
        assert reasons(made.decision) == {"n01": "Unconfirmed"}
    ten.turn(fleet(*without(1)))
    assert "n01" not in ten.names


def test_a_retagged_device_is_no_longer_selected(ten: History) -> None:
    changed = device(1, "tag:env-staging")
    ten.answers = {"n01": changed}
    made = ten.turn([changed, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Untagged"}


def test_approve_lets_nothing_over_the_budget_go_by_itself(ten: History) -> None:
    ten.rules(policy=RemovalPolicy.APPROVE)
    ten.gone = {"*"}
    less = fleet(*without(1, 2, 3, 4))
    for _ in range(6):
        made = ten.turn(less)
        assert set(reasons(made.decision).values()) == {"ApprovalNeeded"}
    ten.approve()
    ten.turn(less)
    assert len(ten.names) == 6


def test_approve_within_the_budget_needs_nobody(ten: History) -> None:
    ten.rules(policy=RemovalPolicy.APPROVE)
    ten.gone = {"*"}
    ten.turn(fleet(*without(1)))
    assert len(ten.names) == 9


def test_unguarded_has_no_budget_and_still_asks(ten: History) -> None:
    ten.rules(policy=RemovalPolicy.UNGUARDED)
    less = fleet(1)
    made = ten.turn(less)
    assert set(reasons(made.decision).values()) == {"Unconfirmed"}
    ten.gone = {"*"}
    ten.turn(less)
    assert ten.names == ["n01"]


def test_what_the_resource_says_wins_over_the_tailnet(ten: History) -> None:
    ten.rules(policy=RemovalPolicy.APPROVE)
    ten.edit(discovery={"removal": {"policy": "Unguarded"}})
    ten.gone = {"*"}
    ten.turn(fleet(1))
    assert ten.names == ["n01"]


@pytest.mark.parametrize(
    "change",
    [
        {"grammar": TagGrammar(["env-production"])},
        {"grants": (GrantRule(tags=("tag:other",)),)},
        {"denied": (ip_network("100.64.0.0/24"),)},
    ],
)
def test_a_changed_configuration_over_the_budget_waits_for_a_person(
    ten: History, change: dict[str, object]
) -> None:
    devices = [*fleet(*range(1, 11)), device(20, "tag:env-production", "tag:other")]
    devices[-1] = device(20, "tag:env-production", "tag:other", addresses=("100.65.0.1",))
    ten.turn(devices)
    ten.configure(**change)
    ten.restart()
    ten.answers = {one.node_id: one for one in devices}
    for _ in range(5):
        made = ten.turn(devices)
        assert set(reasons(made.decision).values()) == {"ConfigChanged"}
        assert {str(loss.cause) for loss in made.decision.held} == {"ConfigChanged"}
    ten.approve()
    ten.turn(devices)
    assert len(ten.names) <= 1


def test_a_changed_configuration_within_the_budget_is_confirmed_like_others(ten: History) -> None:
    ten.configure(denied=(ip_network("100.64.0.1/32"),))
    ten.restart()
    devices = fleet(*range(1, 11))
    ten.answers = {one.node_id: one for one in devices}
    made = ten.turn(devices)
    assert causes(made.decision) == {"n01": "ConfigChanged"}


def test_the_configuration_counts_as_known_once_nothing_waits_because_of_it(ten: History) -> None:
    ten.configure(denied=(ip_network("100.65.0.0/16"),))
    ten.turn(fleet(*range(1, 11)))
    changed = device(1, "tag:env-staging")
    ten.answers = {"n01": changed}
    made = ten.turn([changed, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Untagged"}


def test_a_device_denied_by_an_old_rule_is_ineligible(ten: History) -> None:
    ten.configure(denied=(ip_network("100.65.0.0/16"),))
    ten.turn(fleet(*range(1, 11)))
    moved = device(1, addresses=("100.65.0.1",))
    ten.answers = {"n01": moved}
    made = ten.turn([moved, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Ineligible"}


def test_a_loss_of_the_tailnet_needs_every_devices_own_word() -> None:
    made = history()
    made.turn(fleet(*range(1, 11)))
    made.gone = {"n01", "n02", "n03"}
    lost = frozenset({"n01", "n02", "n03", "x1", "x2"})
    done = made.turn(fleet(*without(1, 2, 3)), evidence={"missing": lost})
    assert set(reasons(done.decision).values()) == {"TailnetLoss"}
    assert made.asked == ("n01", "n02", "n03", "x1", "x2")
    made.gone |= {"x1", "x2"}
    made.turn(fleet(*without(1, 2, 3)), evidence={"missing": lost})
    assert len(made.names) == 7


def test_a_loss_of_the_tailnet_holds_only_what_is_absent(ten: History) -> None:
    changed = device(1, "tag:env-staging")
    ten.answers = {"n01": changed}
    made = ten.turn(
        [changed, *fleet(*without(1, 2))], evidence={"missing": frozenset({"n02", "x1"})}
    )
    assert reasons(made.decision) == {"n02": "TailnetLoss"}
    assert causes(made.decision) == {"n01": "Untagged"}


def test_a_new_leader_waits_for_the_old_one(ten: History) -> None:
    ten.gone = {"*"}
    made = ten.turn(fleet(*without(1)), evidence={"leading": False})
    assert reasons(made.decision) == {"n01": "NewLeader"}
    ten.turn(fleet(*without(1)))
    assert "n01" not in ten.names


def test_without_any_list_nothing_that_is_guarded_goes(ten: History) -> None:
    entry = {"name": "db", "tailscaleIP": "100.64.9.9", "port": 80, "protocol": "TCP"}
    ten.edit(endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}], tagSelectors=None)
    ten.restart()
    made = ten.turn([], evidence={"fetched_at": None})
    assert set(reasons(made.decision).values()) == {"Unconfirmed"}
    assert len(ten.names) == 10


def test_additions_go_on_while_removals_wait(ten: History) -> None:
    ten.turn([*fleet(*without(1, 2, 3, 4)), device(12)])
    assert (len(ten.names), "n12" in ten.names) == (11, True)


def test_a_static_endpoint_takes_the_place_of_a_discovered_one(ten: History) -> None:
    entry = {"name": "db", "tailscaleIP": "100.64.0.1", "port": 80, "protocol": "HTTP"}
    ten.edit(endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}])
    made = ten.turn(fleet(*range(1, 11)))
    assert causes(made.decision) == {"n01": "SpecChanged"}


def test_a_device_without_an_address_of_the_family_is_ineligible(ten: History) -> None:
    moved = device(1, addresses=("fd7a:115c:a1e0::9",))
    ten.answers = {"n01": moved}
    made = ten.turn([moved, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Ineligible"}


def test_another_family_in_the_spec_is_an_edit(ten: History) -> None:
    both = device(1, addresses=("100.64.0.1", "fd7a:115c:a1e0::1"))
    ten.turn([both, *fleet(*without(1))])
    ten.edit(discovery={"addressFamilies": ["IPv6"]})
    made = ten.turn([both, *fleet(*without(1))])
    assert set(causes(made.decision).values()) == {"SpecChanged"}
    assert ten.names == ["n01"]


def test_observing_remembers_and_removes_nothing(ten: History) -> None:
    ten.gone = {"*"}
    less = fleet(*without(1, 2, 3, 4))
    for _ in range(5):
        made = ten.turn(less, writes=False)
    assert (len(ten.names), made.removed) == (10, ())
    assert (ten.memory["confirmations"], ten.memory["removed"]) == (3, [])


def test_the_time_of_the_list_decides_not_the_time_of_the_pass(ten: History) -> None:
    ten.gone = {"*"}
    less = fleet(*without(1, 2, 3, 4))
    ten.turn(less)
    fetched = ten.now
    for _ in range(5):
        ten.turn(less, after=MINUTE, evidence={"fetched_at": fetched})
    assert ten.memory["confirmations"] == 1


def test_a_slice_without_its_annotation_is_guarded_all_the_same(ten: History) -> None:
    (held,) = ten.slices
    manifest = held.manifest()
    del manifest["metadata"]["annotations"]["gateway.tailscale.com/nodes"]
    ten.slices = (EndpointSlice.parse(manifest),)
    assert ten.names == []
    made = ten.turn(fleet(*without(1, 2, 3, 4)))
    assert set(reasons(made.decision).values()) == {"OverBudget"}
    assert len(ten.names) == 10


def test_a_static_endpoint_stays_one_whatever_status_says_of_its_name(ten: History) -> None:
    entry = {"name": "api-11", "tailscaleIP": "100.64.0.11", "port": 80, "protocol": "HTTP"}
    ten.edit(endpoints=[entry | {"tailscaleFQDN": "api-11.company.ts.net"}])
    ten.turn(fleet(*range(1, 11)))
    ten.edit(endpoints=None)
    made = ten.turn(fleet(*range(1, 11)))
    assert [str(loss.cause) for loss in made.decision.released] == ["StaticRemoved"]
