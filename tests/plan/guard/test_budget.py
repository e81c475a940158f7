"""How much may go, and when: budgets, counted lists, policies."""

from datetime import timedelta

import pytest

from discovery.v1alpha1 import RemovalPolicy
from tests.plan.guard.conftest import (
    MINUTE,
    History,
    causes,
    device,
    fleet,
    history,
    reasons,
    without,
)


def test_within_the_budget_a_device_that_denies_itself_goes_with_the_first_list(
    ten: History,
) -> None:
    ten.gone = {"n01", "n02", "n03"}
    made = ten.turn(fleet(*without(1, 2, 3)))
    assert causes(made.decision) == {"n01": "Absent", "n02": "Absent", "n03": "Absent"}
    assert ten.names == [f"n{number:02}" for number in without(1, 2, 3)]


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


def test_additions_go_on_while_removals_wait(ten: History) -> None:
    ten.turn([*fleet(*without(1, 2, 3, 4)), device(12)])
    assert (len(ten.names), "n12" in ten.names) == (11, True)


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


def test_the_largest_size_of_the_window_is_what_the_percentage_is_of() -> None:
    made = history()
    made.turn(fleet(*range(1, 21)))
    made.gone = {"*"}
    for expected in (17, 14):
        made.turn(fleet(*range(1, expected + 1)))
        assert len(made.names) == expected


def test_three_of_a_small_resource_are_within_the_budget() -> None:
    made = history()
    made.turn(fleet(*range(1, 7)))
    made.gone = {"*"}
    made.turn(fleet(1, 2, 3))
    assert len(made.names) == 3


def test_the_percentage_is_rounded_down() -> None:
    made = history()
    made.turn(fleet(*range(1, 34)))
    made.gone = {"*"}
    made.turn(fleet(*range(1, 24)))
    assert len(made.names) == 33


def test_what_went_within_the_window_is_counted_once_for_each_node(ten: History) -> None:
    ten.gone = {"*"}
    ten.turn(fleet(*without(1, 2)))
    ten.turn(fleet(*range(1, 11)))
    ten.turn(fleet(*without(1, 2)))
    assert len(ten.names) == 8


def test_unguarded_is_not_held_by_a_loss_of_the_tailnet(ten: History) -> None:
    ten.rules(policy=RemovalPolicy.UNGUARDED)
    ten.gone = {"n01"}
    ten.turn(fleet(*without(1)), evidence={"missing": frozenset({"n01", "x1"})})
    assert len(ten.names) == 9


@pytest.mark.parametrize(("seconds", "counted"), [(47, 1), (48, 2)])
def test_a_list_counts_after_four_fifths_of_an_interval(
    ten: History, seconds: int, counted: int
) -> None:
    ten.turn(fleet(*without(1, 2, 3, 4)))
    ten.turn(fleet(*without(1, 2, 3, 4)), after=timedelta(seconds=seconds))
    assert ten.memory["confirmations"] == counted


def test_three_early_lists_must_span_two_intervals_all_the_same(ten: History) -> None:
    ten.gone = {"*"}
    for _ in range(3):
        ten.turn(fleet(*without(1, 2, 3, 4)), after=timedelta(seconds=50))
    assert (len(ten.names), ten.memory["confirmations"]) == (10, 3)
    ten.turn(fleet(*without(1, 2, 3, 4)), after=timedelta(seconds=50))
    assert len(ten.names) == 6


def test_two_lists_over_two_intervals_are_not_enough(ten: History) -> None:
    ten.gone = {"*"}
    ten.turn(fleet(*without(1, 2, 3, 4)))
    ten.turn(fleet(*without(1, 2, 3, 4)), after=timedelta(minutes=10))
    assert len(ten.names) == 10


def test_what_goes_is_in_the_order_of_nodes(ten: History) -> None:
    ten.gone = {"n01"}
    stranger = device(99, "tag:other", addresses=("100.64.0.2",))
    made = ten.turn([*fleet(*without(1, 2)), stranger])
    assert list(causes(made.decision)) == ["n01", "n02"]


@pytest.mark.parametrize(("after", "left"), [(2, 8), (3, 6)])
def test_the_window_is_as_many_intervals_as_lists_must_lack_a_device(
    ten: History, after: int, left: int
) -> None:
    ten.gone = {"*"}
    ten.turn(fleet(*without(1, 2)))
    ten.turn(fleet(*without(1, 2, 3, 4)), after=after * MINUTE)
    assert len(ten.names) == left
