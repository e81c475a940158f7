"""The oracle is told forged histories: it must catch each lie, and believe what is true."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.chaos.history import History, look, machine
from tests.chaos.served import Answer, Listing
from tests.chaos.world import World


@pytest.fixture
def history() -> History:
    return History()


def test_a_machine_that_is_there_may_not_be_removed(history: History) -> None:
    history.poll(history.listing(without=["n1"]))
    history.deny("n1")
    history.oracle.see(history.slices(without=["n1"]))
    assert history.rules() == ["lost"]
    assert "the machine is there" in history.why()


def test_a_machine_that_is_gone_may_be_removed_when_its_own_answer_says_so(
    history: History,
) -> None:
    history.go("n1")
    history.poll()
    history.deny("n1")
    history.oracle.see(history.slices())
    assert history.rules() == []
    assert history.oracle.removals == 1


def test_a_removal_without_an_answer_of_its_own_is_caught(history: History) -> None:
    history.go("n1")
    history.poll()
    history.oracle.see(history.slices())
    assert history.rules() == ["lost"]
    assert "its own answer" in history.why()


def test_an_answer_from_before_the_machine_went_missing_confirms_nothing(
    history: History,
) -> None:
    history.deny("n1")
    history.poll()
    history.go("n1")
    history.poll()
    history.oracle.see(history.slices())
    assert "its own answer" in history.why()


def test_a_removal_over_the_budget_after_one_list_is_caught(history: History) -> None:
    gone = ["n1", "n2", "n3", "n4"]
    history.go(*gone)
    history.poll()
    history.deny(*gone)
    history.oracle.see(history.slices())
    assert history.rules() == ["lost"] * 4
    assert "over the budget" in history.why()


def test_a_removal_over_the_budget_is_right_after_three_lists(history: History) -> None:
    gone = ["n1", "n2", "n3", "n4"]
    held = history.slices()
    history.go(*gone)
    for _ in range(3):
        history.poll()
        history.oracle.see(held)
    history.deny(*gone)
    history.oracle.see(history.slices())
    assert history.rules() == []


def test_lists_within_one_interval_count_once(history: History) -> None:
    gone = ["n1", "n2", "n3", "n4"]
    history.go(*gone)
    for _ in range(3):
        history.poll()
        history.now -= timedelta(seconds=50)
    history.deny(*gone)
    history.oracle.see(history.slices())
    assert "over the budget" in history.why()


def test_who_comes_back_begins_anew(history: History) -> None:
    gone = ["n1", "n2", "n3", "n4"]
    history.poll(history.listing(without=gone))
    history.poll(history.listing(without=gone))
    history.poll()
    history.oracle.end(calm=False)
    history.go(*gone)
    history.poll()
    history.deny(*gone)
    history.oracle.see(history.slices())
    assert "over the budget" in history.why()


def test_a_return_that_nobody_could_write_down_may_be_forgotten(history: History) -> None:
    gone = ["n1", "n2", "n3", "n4"]
    history.poll(history.listing(without=gone))
    history.poll(history.listing(without=gone))
    history.poll()
    history.oracle.end(calm=False, unsettled=["web"])
    history.go(*gone)
    history.poll()
    history.deny(*gone)
    history.oracle.see(history.slices())
    assert history.rules() == []


def test_whom_an_edit_left_out_was_not_missing(history: History) -> None:
    tags = ("tag:env-production", "tag:zone-b")
    wide, narrow = {"env": ("production",)}, {"env": ("production",), "zone": ("a",)}
    gone = ["n1", "n2", "n3", "n4"]
    for node in gone:
        history.alter(node, tags=tags)
    history.poll()
    history.select(narrow)
    for _ in range(4):
        history.poll()
        history.oracle.see(history.slices())
    history.select(wide)
    history.oracle.see(history.slices())
    history.poll()
    history.oracle.see(history.slices())
    history.go(*gone)
    history.poll()
    history.deny(*gone)
    history.oracle.see(history.slices())
    assert "over the budget" in history.why()


def test_a_slow_leak_is_over_the_budget(history: History) -> None:
    for node in ["n1", "n2", "n3", "n4"]:
        history.go(node)
        history.now -= timedelta(seconds=10)
        history.poll()
        history.deny(node)
        history.oracle.see(history.slices())
    assert history.rules() == ["lost"]
    assert history.oracle.violations[0].node == "n4"


def test_the_last_endpoints_are_over_every_budget() -> None:
    two = {name: machine(name, number) for number, name in enumerate(["a", "b"])}
    history = History(World({"web": {"env": ("production",)}}, two))
    history.go("a", "b")
    history.poll(Listing({"other": look(machine("other", 9))}))
    history.deny("a", "b")
    history.oracle.see({"web": {}})
    assert history.rules() == []  # one that nothing else selects does not keep the list empty
    history = History(World({"web": {"env": ("production",)}}, {"a": machine("a", 1)}))
    history.go("a")
    history.poll(Listing({"x": replace(look(machine("x", 9)), tags=frozenset({"tag:other"}))}))
    history.deny("a")
    history.oracle.see({"web": {}})
    assert "over the budget" in history.why()


def test_a_moment_without_an_endpoint_is_caught(history: History) -> None:
    history.poll()
    history.oracle.see(history.slices(without=["n1"]))
    history.oracle.see(history.slices())
    assert history.rules() == ["lost"]


def test_a_move_with_both_slices_at_once_is_right(history: History) -> None:
    history.poll()
    history.oracle.see(history.slices())
    assert history.rules() == []


def test_a_removal_under_a_failed_poll_is_caught(history: History) -> None:
    held = history.slices()
    history.go("n1")
    history.poll()
    history.deny("n1")
    history.oracle.see(held)
    history.poll(fails=True)
    history.poll(fails=True)
    history.oracle.see(history.slices())
    assert "no list that may be believed" in history.why()


def test_an_empty_list_and_one_of_another_tailnet_prove_nothing(history: History) -> None:
    other = {n: replace(one, name="x.other.ts.net") for n, one in history.listing().shown.items()}
    history.go("n1")
    for served in (Listing(), Listing({n: other[n] for n in other if n != "n1"})):
        history.poll(fails=True)
        history.poll(served)
    history.deny("n1")
    history.oracle.see(history.slices())
    assert "no list that may be believed" in history.why()


def test_a_list_with_an_entry_of_nobody_proves_nothing(history: History) -> None:
    history.go("n1")
    history.poll(replace(history.listing(), nameless=1))
    history.deny("n1")
    history.oracle.see(history.slices())
    assert "may be any machine" in history.why()


def test_a_machine_that_answers_disproves_the_list_for_all_others(history: History) -> None:
    held = history.slices()
    history.go("n1")
    half = history.listing(without=["n2"])
    history.poll(half)
    history.oracle.answered("n2", Answer(half.shown["n3"]))
    history.poll(half)
    history.deny("n1")
    history.oracle.see({"web": {a: node for a, node in held["web"].items() if node != "n1"}})
    assert "the list lacks n2" in history.why()


@pytest.mark.parametrize(
    "changes", [{"tags": ()}, {"tags": ("tag:other",)}, {"expired": True}, {"authorized": False}]
)
def test_a_machine_that_is_no_endpoint_any_more_is_confirmed_by_its_look(
    history: History, changes: dict[str, object]
) -> None:
    history.alter("n1", **changes)
    history.poll()
    history.oracle.answered("n1", Answer(history.listing().shown["n1"]))
    history.oracle.see(history.slices())
    assert history.rules() == []


def test_an_answer_with_the_old_tags_confirms_nothing(history: History) -> None:
    old = history.listing().shown["n1"]
    history.alter("n1", tags=())
    history.poll()
    history.oracle.answered("n1", Answer(old))
    history.oracle.see(history.slices())
    assert "its own answer" in history.why()


def test_an_edit_explains_a_removal(history: History) -> None:
    history.alter("n1", tags=("tag:env-production", "tag:zone-b"))
    history.poll()
    history.select({"env": ("production",), "zone": ("a",)})
    history.oracle.see(history.slices())
    assert history.rules() == []
    assert history.oracle.edits == 1


def test_a_removal_that_is_due_and_does_not_happen_is_caught(history: History) -> None:
    held = history.slices()
    history.go("n1")
    for _ in range(8):
        history.poll()
        history.deny("n1")
        history.oracle.see(held)
        history.oracle.end(calm=True)
    assert history.rules() == ["late"]


def test_polls_under_faults_delay_a_removal(history: History) -> None:
    held = history.slices()
    history.go("n1")
    for _ in range(20):
        history.poll(fails=True)
        history.oracle.see(held)
        history.oracle.end(calm=False)
    assert history.rules() == []


def test_a_new_machine_that_is_in_no_slice_is_caught(history: History) -> None:
    held = history.slices()
    history.world.machines["new"] = machine("new", 99)
    history.oracle.change(history.world.copy())
    history.poll()
    history.oracle.see(held)
    history.oracle.end(calm=True)
    assert history.rules() == ["missing"]


def test_what_is_left_at_the_end_is_told(history: History) -> None:
    held = history.slices()
    history.go("n1")
    history.world.machines["new"] = machine("new", 99)
    history.oracle.change(history.world.copy())
    history.oracle.see(held)
    assert history.oracle.differences() == [
        "web: n1 at 100.64.0.1 is too much",
        "web: new at 100.64.0.99 is missing",
    ]


def test_an_address_that_another_machine_has_goes_at_once(history: History) -> None:
    held = history.slices()
    history.go("n1")
    taken = replace(machine("stranger", 1), tags=("tag:env-staging",))
    history.world.machines["stranger"] = taken
    history.oracle.change(history.world.copy())
    history.poll()
    history.oracle.see({"web": {a: n for a, n in held["web"].items() if n != "n1"}})
    assert history.rules() == []
