"""What a person approved: once, for one plan, and for nothing else."""

from datetime import timedelta

from discovery.plan.guard import APPROVAL_ANNOTATION
from discovery.plan.memory import plan_hash
from tests.plan.guard.conftest import History, device, fleet, reasons

FEW = fleet(*range(5, 11))
ALL = fleet(*range(1, 11))


def annotate(history: History, value: str) -> None:
    """Set the annotation, as a person or a Git repository does."""
    metadata = history.resource.metadata.model_copy(
        update={"annotations": {APPROVAL_ANNOTATION: value}}
    )
    history.resource = history.resource.model_copy(update={"metadata": metadata})


def test_an_approval_is_for_the_plan_and_for_what_is_left_of_it(ten: History) -> None:
    ten.turn(FEW)
    ten.approve()
    made = ten.turn([device(1), *FEW])
    assert (len(ten.names), made.decision.held) == (7, {})


def test_an_approval_is_not_for_a_set_that_grew(ten: History) -> None:
    ten.turn(FEW)
    ten.approve()
    ten.turn(FEW[1:])
    assert len(ten.names) == 10


def test_an_approval_acts_under_an_outage(ten: History) -> None:
    ten.turn(FEW)
    ten.approve("/2026-11-25T12:05:00Z")
    ten.turn(FEW, evidence={"current": False, "fetched_at": ten.now})
    assert len(ten.names) == 6


def test_an_approval_is_used_once(ten: History) -> None:
    ten.turn(FEW)
    ten.approve("/one")
    ten.turn(FEW)
    assert ten.memory["spent"].endswith("/one")
    ten.turn(ALL)
    ten.turn(FEW)
    assert (len(ten.names), ten.memory["total"]) == (10, 4)
    ten.approve("/two")
    ten.turn(FEW)
    assert len(ten.names) == 6


def test_an_approval_whose_devices_came_back_is_used_up(ten: History) -> None:
    ten.turn(FEW)
    ten.approve()
    ten.turn(ALL)
    ten.turn(FEW)
    assert (len(ten.names), ten.memory["total"]) == (10, 4)


def test_an_approved_removal_does_not_fill_the_budget(ten: History) -> None:
    ten.turn(FEW)
    ten.approve()
    ten.gone = {"*"}
    ten.turn(FEW)
    ten.turn(FEW[1:])
    assert len(ten.names) == 5


def test_an_approval_waits_for_the_old_leader_and_acts_then(ten: History) -> None:
    ten.turn(FEW)
    ten.approve("/one")
    ten.turn(FEW, evidence={"leading": False})
    assert len(ten.names) == 10
    ten.turn(FEW)
    assert len(ten.names) == 6


def test_an_approval_of_another_plan_is_not_used_up(ten: History) -> None:
    annotate(ten, "0123456789ab/one")
    ten.turn(ALL)
    assert ten.memory == {}


def test_a_used_approval_that_is_taken_off_and_put_back_stays_used(ten: History) -> None:
    ten.turn(FEW)
    ten.approve("/one")
    used = ten.resource.metadata.annotations[APPROVAL_ANNOTATION]
    ten.turn(FEW)
    annotate(ten, "")
    ten.turn(ALL)
    annotate(ten, used)
    ten.turn(FEW)
    assert len(ten.names) == 10


def test_an_approval_that_was_there_before_the_removal_is_used_once(ten: History) -> None:
    annotate(ten, plan_hash(["n01", "n02", "n03", "n04"]))
    ten.turn(FEW)
    assert len(ten.names) == 6
    ten.turn(ALL)
    ten.turn(FEW)
    assert len(ten.names) == 10


def test_an_approval_lets_the_last_endpoint_go(ten: History) -> None:
    ten.turn([device(99, "tag:other")])
    ten.approve()
    ten.turn([device(99, "tag:other")])
    assert ten.names == []


def test_an_approval_counts_no_list(ten: History) -> None:
    ten.turn(FEW)
    ten.approve()
    made = ten.turn(FEW, after=timedelta(seconds=1))
    assert (len(ten.names), reasons(made.decision)) == (6, {})
