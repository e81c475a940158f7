"""What is remembered from one pass to the next, and from one process to the next."""

from datetime import timedelta
from typing import Any

import pytest

from discovery.plan.losses import Loss, RemovalCause
from discovery.plan.memory import (
    MAX_BATCHES,
    MAX_REMOVED,
    Wait,
    Waits,
    in_parts,
    plan_hash,
    recent,
    remembered,
)
from discovery.tailnet import UnknownDevice
from discovery.v1alpha1_status import RemovalStatus, RemovedEndpoints
from tests.plan.guard.conftest import MINUTE, START, History, device, fleet, history, reasons

FEW = fleet(*range(5, 11))
ALL = fleet(*range(1, 11))


def wait(number: int, **fields: Any) -> Wait:
    loss = Loss(f"n{number:05}", f"api-{number:05}", RemovalCause.ABSENT)
    values: dict[str, Any] = {"since": START, "confirmations": 1, "confirmed": False} | fields
    return Wait(loss, **values)


def test_the_memory_says_what_waits_since_when_and_how_far_it_is(ten: History) -> None:
    ten.gone = {"n01"}
    ten.turn(FEW)
    first = ten.now
    ten.turn(FEW)
    since, last = f"{first:%Y-%m-%dT%H:%M:%SZ}", f"{ten.now:%Y-%m-%dT%H:%M:%SZ}"
    kind = {"cause": "Absent", "since": since, "confirmations": 2}
    assert ten.memory == {
        "since": since,
        "confirmations": 2,
        "lastList": last,
        "plan": plan_hash(["n01", "n02", "n03", "n04"]),
        "names": ["api-01", "api-02", "api-03", "api-04"],
        "total": 4,
        "waiting": [
            {**kind, "confirmed": False, "nodes": ["n02", "n03", "n04"]},
            {**kind, "confirmed": True, "nodes": ["n01"]},
        ],
        "removed": [],
        "spent": "",
    }


@pytest.mark.parametrize("at", [1, 2])
def test_a_restart_neither_forgets_nor_hastens_a_removal(ten: History, at: int) -> None:
    ten.gone = {"*"}
    sizes = []
    for number in range(1, 4):
        if number == at:
            ten.restart()
        ten.turn(FEW)
        sizes.append(len(ten.names))
    assert sizes == [10, 10, 6]


def test_three_runs_that_each_start_anew_confirm_a_removal(ten: History) -> None:
    ten.gone = {"*"}
    for expected in (10, 10, 6):
        ten.restart()
        ten.turn(FEW)
        assert len(ten.names) == expected


def test_what_was_denied_once_is_not_asked_again(ten: History) -> None:
    ten.gone = {"*"}
    ten.turn(FEW)
    ten.gone = set()
    ten.restart()
    for _ in range(2):
        ten.turn(FEW)
        assert ten.asked == ()
    assert len(ten.names) == 6


def test_a_device_that_is_there_must_say_so_again_after_a_restart(ten: History) -> None:
    bare = [device(number, tags=()) for number in range(1, 5)]
    ten.answers = {one.node_id: one for one in bare}
    ten.turn([*bare, *FEW])
    ten.restart()
    ten.turn([*bare, *FEW])
    assert ten.asked == ("n01", "n02", "n03", "n04")


def test_a_new_loss_beside_old_ones_has_its_own_count(ten: History) -> None:
    ten.gone = {"*"}
    ten.turn(FEW)
    ten.turn(FEW[1:])
    made = ten.turn(FEW[1:])
    assert reasons(made.decision) == {"n05": "OverBudget"}
    assert ten.memory["confirmations"] == 2
    ten.turn(FEW[1:])
    assert ten.names == [one.node_id for one in FEW[1:]]


def test_a_changed_cause_keeps_the_count_and_asks_again(ten: History) -> None:
    bare = [device(number, tags=()) for number in range(1, 5)]
    ten.answers = {one.node_id: one for one in bare}
    ten.turn([*bare, *FEW])
    ten.answers, ten.gone = {}, {"*"}
    ten.turn(FEW)
    assert ten.asked == ("n01", "n02", "n03", "n04")
    ten.turn(FEW)
    assert len(ten.names) == 6


def test_a_long_wait_is_written_no_more_once_enough_lists_were_counted(ten: History) -> None:
    for _ in range(3):
        ten.turn(FEW)
    before = ten.memory
    for _ in range(3):
        ten.turn(FEW)
        assert ten.memory == before


def test_the_plan_keeps_its_name_while_the_set_shrinks_and_gets_another_when_it_grows(
    ten: History,
) -> None:
    ten.turn(FEW)
    first = ten.memory["plan"]
    ten.turn([device(1), *FEW])
    assert ten.memory["plan"] == first
    ten.turn(fleet(2, *range(7, 11)))
    assert ten.memory["plan"] != first


def test_the_intent_names_what_is_about_to_go(ten: History) -> None:
    ten.gone = {"*"}
    made = ten.turn(fleet(*range(2, 11)))
    intent = made.decision.intent
    assert intent is not None
    assert [entry.nodes for entry in intent.removed] == [("n01",)]
    assert [batch.nodes for batch in intent.waiting] == [("n01",)]
    memory = made.decision.memory
    assert memory is not None
    assert (memory.waiting, memory.total, memory.plan) == ((), 0, "")


def test_a_removal_that_was_only_meant_does_not_fill_the_budget(ten: History) -> None:
    ten.gone = {"*"}
    made = ten.look(fleet(*range(3, 11)), evidence={"answers": {"n01": None, "n02": None}})
    assert ten.resource.status is not None
    killed = ten.resource.status.model_copy(update={"removal": made.decision.intent})
    ten.resource = ten.resource.model_copy(update={"status": killed})
    ten.restart()
    ten.turn(fleet(*range(3, 11)))
    assert len(ten.names) == 8


def test_a_new_loss_in_a_list_that_counts_nothing_has_no_confirmation(ten: History) -> None:
    entry = [UnknownDevice(3, None, None, "nodeId is missing")]
    ten.turn(FEW, unknown=entry, evidence={"complete": False})
    assert ten.memory["waiting"][0]["confirmations"] == 0


def test_one_confirmation_is_enough_where_it_is_configured() -> None:
    made = history(discovery={"removal": {"confirmations": 1}})
    made.askable = False
    made.turn(ALL)
    made.turn(FEW)
    assert len(made.names) == 6


def test_names_are_bounded_and_all_nodes_are_remembered() -> None:
    waits = Waits(tuple(wait(number) for number in range(2500)), START)
    memory = remembered(waits, "p", (), "")
    assert memory is not None
    assert (len(memory.names), memory.total) == (256, 2500)
    assert [len(batch.nodes) for batch in memory.waiting] == [1000, 1000, 500]


def test_too_many_kinds_are_joined_by_what_is_known_of_the_least() -> None:
    many = [
        wait(n, since=START + n * MINUTE, confirmations=100 - n, confirmed=n % 2 == 0)
        for n in range(MAX_BATCHES + 2)
    ]
    memory = remembered(Waits(tuple(many), START), "p", (), "")
    assert memory is not None
    assert len(memory.waiting) == MAX_BATCHES
    last = memory.waiting[-1]
    assert last.nodes == ("n00063", "n00064", "n00065")
    assert (last.since, last.confirmations, last.confirmed) == (START + 65 * MINUTE, 35, False)


@pytest.mark.parametrize("confirmed", [(True, False), (False, True), (True, True)])
def test_two_kinds_are_joined_by_what_is_known_of_the_least(confirmed: tuple[bool, bool]) -> None:
    many = [wait(n, since=START + n * MINUTE) for n in range(MAX_BATCHES - 1)]
    joined = [
        wait(n, since=START + n * MINUTE, confirmations=n, confirmed=confirmed[n - 100])
        for n in (100, 101)
    ]
    memory = remembered(Waits((*many, *joined), START), "p", (), "")
    assert memory is not None
    last = memory.waiting[-1]
    assert last.nodes == ("n00100", "n00101")
    assert (last.since, last.confirmations) == (START + 101 * MINUTE, 100)
    assert last.confirmed is all(confirmed)


def test_the_names_that_wait_are_sorted_whatever_their_nodes() -> None:
    losses = [Loss("n1", "b", RemovalCause.ABSENT), Loss("n2", "a", RemovalCause.ABSENT)]
    waits = tuple(Wait(loss, START, 1, confirmed=False) for loss in losses)
    memory = remembered(Waits(waits, START), "p", (), "")
    assert memory is not None
    assert memory.names == ("a", "b")


def test_recent_removals_are_bounded() -> None:
    entries = tuple(
        RemovedEndpoints(at=START + timedelta(seconds=n), size=5, nodes=(f"n{n}",))
        for n in range(MAX_REMOVED + 5)
    )
    memory = remembered(Waits((), START), "", entries, "")
    assert memory is not None
    assert (len(memory.removed), memory.removed[-1]) == (128, entries[-1])


def test_nothing_to_remember_is_no_memory() -> None:
    assert remembered(Waits((), START), "", (), "") is None


def test_the_plan_of_the_same_nodes_has_the_same_name_in_any_order() -> None:
    assert plan_hash(["b", "a"]) == plan_hash(["a", "b"]) != plan_hash(["a"])


def test_a_plan_has_a_name_of_twelve_digits_that_is_the_same_everywhere() -> None:
    assert plan_hash(["n1", "n2"]) == "ca3eeaaa5d23"


def test_parts_are_sorted_and_none_is_empty() -> None:
    assert list(in_parts(["b", "a"])) == [("a", "b")]
    assert list(in_parts([])) == []


def test_the_plan_keeps_its_name_while_the_set_stays_smaller(ten: History) -> None:
    ten.turn(FEW)
    first = ten.memory["plan"]
    for _ in range(2):
        ten.turn([device(1), *FEW])
        assert ten.memory["plan"] == first


def test_the_intent_of_a_pass_that_loses_nothing_names_no_plan(ten: History) -> None:
    ten.gone = {"n01"}
    ten.turn(fleet(*range(2, 11)))
    ten.turn(fleet(*range(6, 11)))
    made = ten.turn(ALL)
    assert made.decision.intent is not None
    assert made.decision.intent.plan == ""


def test_early_lists_do_not_put_off_the_next_that_counts(ten: History) -> None:
    found = []
    for _ in range(3):
        ten.turn(FEW, after=timedelta(seconds=30))
        found.append(ten.memory["confirmations"])
    assert found == [1, 1, 2]


def test_the_memory_speaks_of_the_oldest_and_of_the_least_confirmed(ten: History) -> None:
    ten.turn(FEW)
    first = ten.memory["since"]
    ten.turn(FEW[1:])
    assert (ten.memory["since"], ten.memory["confirmations"]) == (first, 1)


def test_where_nothing_waits_the_memory_holds_only_what_went(ten: History) -> None:
    ten.gone = {"n01"}
    ten.turn(fleet(*range(2, 11)))
    assert {name: value for name, value in ten.memory.items() if value} == {
        "removed": [{"at": f"{ten.now:%Y-%m-%dT%H:%M:%SZ}", "size": 10, "nodes": ["n01"]}]
    }


def test_a_kind_in_many_parts_displaces_the_last_kinds() -> None:
    many = [wait(n, since=START + n * MINUTE) for n in range(MAX_BATCHES - 1)]
    crowd = [wait(n, since=START - MINUTE) for n in range(10_000, 12_500)]
    memory = remembered(Waits((*many, *crowd), START), "p", (), "")
    assert memory is not None
    assert [len(batch.nodes) for batch in memory.waiting][:4] == [1000, 1000, 500, 1]
    assert len(memory.waiting) == MAX_BATCHES


def test_what_is_still_there_did_not_go() -> None:
    meant = RemovedEndpoints(at=START, size=10, nodes=("n01", "n02"))
    memory = RemovalStatus(removed=(meant,))
    (entry,) = recent(memory, START - MINUTE, {"n02": None})
    assert (entry.nodes, entry.size) == (("n01",), 10)
    assert recent(memory, START - MINUTE, {"n01": None, "n02": None}) == ()
