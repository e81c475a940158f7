"""What a removal rests on: lists, single answers, other replicas."""

import pytest

from discovery.plan.evidence import Evidence
from discovery.tailnet import UnknownDevice
from tests.plan.guard.conftest import (
    START,
    History,
    causes,
    device,
    fleet,
    history,
    reasons,
    without,
)


def test_a_device_that_gives_no_answer_stays(ten: History) -> None:
    for _ in range(5):
        made = ten.turn(fleet(*without(1)))
        assert reasons(made.decision) == {"n01": "Unconfirmed"}
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


def test_a_list_with_an_unreadable_node_id_asks_nobody(ten: History) -> None:
    ten.turn(fleet(*without(1)), evidence={"complete": False})
    assert ten.asked == ()


def test_a_source_that_can_not_be_asked_is_not(ten: History) -> None:
    ten.askable = False
    ten.turn(fleet(*without(1)))
    assert ten.asked == ()


def test_who_loses_nothing_asks_for_nobody_elses_devices(ten: History) -> None:
    ten.turn(fleet(*range(1, 11)), evidence={"missing": frozenset({"x1"})})
    assert ten.asked == ()


def test_an_unreadable_node_id_holds_even_what_was_confirmed_before(ten: History) -> None:
    ten.gone = {"*"}
    ten.turn(fleet(*without(1, 2, 3, 4)))
    made = ten.turn(fleet(*without(1, 2, 3)), evidence={"complete": False})
    assert set(reasons(made.decision).values()) == {"Unconfirmed"}


def test_a_disproved_list_is_told_before_a_loss_of_the_tailnet(ten: History) -> None:
    lost = {"disproved": True, "missing": frozenset({"n01", "x1"})}
    made = ten.turn(fleet(*without(1)), evidence=lost)
    assert reasons(made.decision) == {"n01": "ListIncomplete"}


def test_whoever_is_missing_is_asked_for_in_order_until_it_denies_itself() -> None:
    missing = [f"x{number}" for number in range(10)]
    answers = {"x3": None, "x4": device(4)}
    evidence = Evidence(missing=frozenset(missing), answers=answers)
    assert evidence.open_questions == tuple(node for node in missing if node != "x3")


def test_an_absent_device_that_answers_does_not_go(ten: History) -> None:
    ten.answers = {"n01": device(1)}
    made = ten.turn(fleet(*without(1)))
    assert reasons(made.decision) == {"n01": "Unconfirmed"}


def test_a_retagged_device_must_have_the_same_tags_by_itself(ten: History) -> None:
    ten.answers = {"n01": device(1)}
    made = ten.turn([device(1, "tag:env-staging"), *fleet(*without(1))])
    assert reasons(made.decision) == {"n01": "Unconfirmed"}
