"""What the page about removals says, held against the guard itself."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from discovery.plan.evidence import Evidence
from discovery.plan.guard import APPROVAL_ANNOTATION, Case, Decision, Hold, decide
from discovery.plan.losses import GUARDED, Loss, RemovalCause
from discovery.plan.policy import RemovalRules
from discovery.settings.tailnet import RemovalSettings
from discovery.v1alpha1 import RemovalPolicy
from discovery.v1alpha1_status import RemovalStatus

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "removals.md"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def section(heading: str) -> str:
    """The text below a heading, up to the next one of any level."""
    (text,) = re.findall(
        rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(text)


def column(heading: str) -> list[str]:
    """The first column of the section's table, without the table's head."""
    return re.findall(r"^\| `?([\w ]+)`? \|", section(heading), re.MULTILINE)[1:]


def pass_over(
    size: int, missing: range, at: datetime, memory: RemovalStatus | None = None
) -> Decision:
    """A pass in which machines of a resource are missing, and each was denied by itself."""
    losses = tuple(Loss(f"n{i}", f"m{i}", RemovalCause.ABSENT) for i in missing)
    nodes = {loss.node_id for loss in losses}
    case = Case(losses, size, size - len(losses), confirmed=frozenset(nodes))
    evidence = Evidence(at, answers=dict.fromkeys(nodes))
    return decide(case, evidence, RemovalRules(), memory)


def test_every_reason_is_on_the_page_the_gravest_first() -> None:
    assert column("What the condition says") == [hold.value for hold in Hold]


def test_every_cause_is_on_the_page_as_guarded_or_not() -> None:
    assert set(column("What is guarded")) == GUARDED
    assert set(column("What goes at once")) == set(RemovalCause) - GUARDED


def test_the_budget_is_the_one_of_the_table() -> None:
    rows = re.findall(r"^\| (\d+)(?: to (\d+))? \| (\d+) \|$", section("The budget"), re.MULTILINE)
    assert len(rows) == 7
    for first, last, allowed in rows:
        for size in {int(first), int(last or first)}:
            within = pass_over(size, range(int(allowed)), NOON)
            over = pass_over(size, range(int(allowed) + 1), NOON)
            assert (len(within.released), len(over.released)) == (int(allowed), 0)


def test_twenty_after_twenty_of_a_hundred_wait() -> None:
    first = pass_over(100, range(20), NOON)
    assert len(first.released) == 20
    second = pass_over(80, range(20, 40), NOON + timedelta(minutes=1), first.memory)
    assert (len(second.released), len(second.held)) == (0, 20)


def test_the_settings_on_the_page_are_the_defaults() -> None:
    shown = yaml.safe_load(re.findall(r"^removal: .*$", section("Settings"), re.MULTILINE)[0])
    assert RemovalSettings(**shown["removal"]) == RemovalSettings()


def test_the_annotation_on_the_page_is_the_one_that_is_read() -> None:
    assert f"--overwrite {APPROVAL_ANNOTATION}=" in PAGE.read_text()
    assert f"    {APPROVAL_ANNOTATION}: " in section("GitOps")


NOT_TO_BE_APPROVED = {Hold.NEW_LEADER, Hold.LIST_INCOMPLETE}


@pytest.mark.parametrize("hold", [hold for hold in Hold if hold not in NOT_TO_BE_APPROVED])
def test_an_approval_ends_every_reason_but_two(hold: Hold) -> None:
    loss = Loss("n1", "m1", RemovalCause.CONFIG_CHANGED, by_edit=hold is Hold.SELECTS_NOTHING)
    absent = Loss("n1", "m1", RemovalCause.ABSENT)
    loss = absent if hold is Hold.TAILNET_LOSS else loss
    policy = RemovalPolicy.APPROVE if hold is Hold.APPROVAL_NEEDED else RemovalPolicy.CONFIRM
    if hold in {Hold.APPROVAL_NEEDED, Hold.OVER_BUDGET}:
        loss = absent
    size = 10 if hold is Hold.UNCONFIRMED else 3
    case = Case((loss,), size, size - 1 if hold is Hold.UNCONFIRMED else 0)
    missing = frozenset({"n1"}) if hold is Hold.TAILNET_LOSS else frozenset()
    evidence = Evidence(NOON, missing=missing)
    rules = RemovalRules(policy=policy)
    held = decide(case, evidence, rules, None)
    assert held.hold is hold
    assert held.memory is not None
    approved = Case(case.losses, case.size, case.remaining, approval=held.memory.plan)
    assert decide(approved, evidence, rules, held.memory).held == {}
    evidence = Evidence(NOON, leading=False)
    assert decide(approved, evidence, rules, held.memory).hold is Hold.NEW_LEADER


def test_what_a_wrong_list_says_is_not_to_be_approved() -> None:
    loss = Loss("n1", "m1", RemovalCause.ABSENT)
    held = decide(Case((loss,), 3, 0), Evidence(NOON, disproved=True), RemovalRules(), None)
    assert held.memory is not None
    approved = Case((loss,), 3, 0, approval=held.memory.plan)
    evidence = Evidence(NOON, disproved=True)
    assert decide(approved, evidence, RemovalRules(), held.memory).hold is Hold.LIST_INCOMPLETE
