"""What a person reads about a removal."""

from typing import Any

import pytest

from discovery.plan.announcements import announcements
from discovery.plan.blocked import blocked, by_meaning
from discovery.plan.evidence import Evidence
from discovery.plan.guard import Decision, Hold
from discovery.plan.losses import MEANINGS, Loss, RemovalCause
from discovery.plan.policy import RemovalRules
from discovery.v1alpha1 import Key
from tests.plan.guard.conftest import History, device, fleet

KEY = Key("default", "api")
FEW = fleet(*range(5, 11))
LOSS = Loss("n1", "api-1", RemovalCause.ABSENT)


def test_the_condition_says_what_waits_why_how_long_and_who_can_end_it(ten: History) -> None:
    ten.turn(FEW)
    plan = ten.memory["plan"]
    said = (
        "4 of 10 discovered endpoints wait for removal since 2026-11-25T12:02:00Z: "
        "api-01, api-02, api-03, api-04 (missing from the device list). At most 3 may go without "
        "waiting (30 percent, at least 3, and never the last one): 3 device lists must lack them, "
        "until 2026-11-25T12:04:00Z or later. To let them go now: tailnet-discovery approve "
        f"default/api (plan {plan})."
    )
    assert ten.condition("RemovalBlocked") == ("True", "OverBudget", said)


def test_ready_stays_true_and_says_that_something_waits(ten: History) -> None:
    ten.turn(FEW)
    assert ten.condition("Ready")[:2] == ("True", "RemovalBlocked")


def test_the_words_stay_the_same_while_the_same_waits(ten: History) -> None:
    ten.turn(FEW)
    before = ten.condition("RemovalBlocked")
    ten.turn(FEW)
    assert ten.condition("RemovalBlocked") == before


def test_without_anything_that_waits_there_is_no_condition(ten: History) -> None:
    assert ten.condition("RemovalBlocked") == ("", "", "")


def test_the_condition_stands_while_no_list_can_be_had(ten: History) -> None:
    ten.turn(FEW)
    before = ten.condition("RemovalBlocked")
    ten.restart()
    ten.turn([], evidence={"fetched_at": None})
    assert ten.condition("RemovalBlocked") == before


@pytest.mark.parametrize("hold", Hold)
def test_every_reason_has_its_words(hold: Hold) -> None:
    said = blocked(KEY, Decision(held={LOSS: hold}), 5, Evidence(), RemovalRules())
    assert said.startswith("1 of 5 discovered endpoints waits for removal: api-1 (missing from")
    assert said.endswith(".")


@pytest.mark.parametrize("cause", RemovalCause)
def test_every_cause_has_its_words(cause: RemovalCause) -> None:
    assert MEANINGS[cause]


@pytest.mark.parametrize(
    ("one", "other"),
    [(Hold.OVER_BUDGET, Hold.UNCONFIRMED), (Hold.TAILNET_LOSS, Hold.APPROVAL_NEEDED)],
)
def test_the_gravest_reason_is_the_one_that_is_told(one: Hold, other: Hold) -> None:
    second = Loss("n2", "api-2", RemovalCause.ABSENT)
    assert Decision(held={LOSS: other, second: one}).hold is one


@pytest.mark.parametrize("why", [{"leading": False}, {"disproved": True}])
def test_nobody_is_told_to_approve_what_approval_does_not_end(
    ten: History, why: dict[str, bool]
) -> None:
    ten.turn(FEW, evidence=why)
    assert "approve" not in ten.condition("RemovalBlocked")[2]


def test_a_plan_names_the_causes_of_what_a_write_takes_away(ten: History) -> None:
    ten.gone = {"*"}
    made = ten.turn(fleet(*range(3, 11)))
    (change,) = [c for c in made.changes if c.kind == "EndpointSlice"]
    assert change.reason == "Endpoints: 2 gone: api-01, api-02 (missing from the device list)."


def test_an_event_names_the_causes_of_what_went(ten: History) -> None:
    ten.gone = {"*"}
    before = ten.resource.status
    made = ten.turn([*fleet(*range(3, 11)), *fleet(12)])
    assert ten.resource.status is not None
    changes = [change for change in made.changes if change.kind == "EndpointSlice"]
    (said,) = announcements(before, ten.resource.status, changes, made.removed)
    assert said.note == (
        "Endpoints: 1 added (api-12), 2 removed: api-01, api-02 (missing from the device list)."
    )


def events(ten: History, before: Any) -> list[str]:
    assert ten.resource.status is not None
    return [said.reason for said in announcements(before, ten.resource.status, ())]


def test_what_waits_is_announced_once_and_again_when_it_grows(ten: History) -> None:
    found = []
    for devices in (FEW, FEW, FEW[1:], FEW[1:]):
        before = ten.resource.status
        ten.turn(devices)
        found.append(events(ten, before))
    assert found == [["OverBudget"], [], ["OverBudget"], []]


def test_a_write_that_takes_nothing_away_keeps_its_words(ten: History) -> None:
    made = ten.turn(fleet(*range(1, 12)))
    (change,) = [c for c in made.changes if c.kind == "EndpointSlice"]
    assert change.reason == "Endpoints: 1 new."


def test_without_a_plan_nobody_is_told_to_approve() -> None:
    held = Decision(held={LOSS: Hold.UNCONFIRMED})
    assert "approve" not in blocked(KEY, held, 5, Evidence(), RemovalRules())


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ({}, "The control plane, asked for each of them, has not confirmed it yet."),
        (
            {"complete": False},
            "The device list holds an entry of unreadable identity: it removes nothing.",
        ),
        (
            {"askable": False},
            (
                "Their source can not be asked for one device: 3 device lists must lack them, "
                "until 2026-11-25T12:04:00Z or later."
            ),
        ),
    ],
)
def test_what_is_not_confirmed_says_by_whom(
    ten: History, evidence: dict[str, bool], why: str
) -> None:
    ten.turn(fleet(*range(2, 11)), evidence=evidence)
    said = ten.condition("RemovalBlocked")
    assert said[1] == "Unconfirmed"
    assert f" {why} " in said[2]


def test_the_words_say_when_the_last_of_them_can_go(ten: History) -> None:
    ten.turn(FEW)
    ten.turn(FEW[1:])
    said = ten.condition("RemovalBlocked")[2]
    assert "since 2026-11-25T12:02:00Z" in said
    assert "until 2026-11-25T12:05:00Z or later" in said


def test_causes_are_told_in_one_order_whatever_their_nodes() -> None:
    losses = [
        Loss("n1", "a", RemovalCause.INELIGIBLE),
        Loss("n2", "b", RemovalCause.ABSENT),
        Loss("n3", "c", RemovalCause.UNTAGGED),
    ]
    assert by_meaning(losses) == by_meaning(losses[::-1])


def test_a_name_that_another_device_has_by_now_is_not_told_as_removed(ten: History) -> None:
    ten.gone = {"*"}
    before = ten.resource.status
    again = device(50, name="api-01.company.ts.net")
    made = ten.turn([*fleet(*range(3, 11)), again])
    assert ten.resource.status is not None
    changes = [change for change in made.changes if change.kind == "EndpointSlice"]
    (said,) = announcements(before, ten.resource.status, changes, made.removed)
    assert said.note == "Endpoints: 1 removed: api-02 (missing from the device list)."
