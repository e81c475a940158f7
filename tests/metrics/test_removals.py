"""What of removals is counted."""

import pytest

from discovery.metrics import Metrics
from discovery.plan.losses import RemovalCause
from discovery.v1alpha1 import Key

API, WEB = Key("default", "api"), Key("default", "web")
TAILNET = {"tailnet": "company.ts.net"}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tailnet_discovery_{name}", labels)


@pytest.mark.parametrize("cause", ["Absent", "Untagged", "SpecChanged", "Reassigned"])
def test_a_cause_is_there_before_the_first_removal(metrics: Metrics, cause: str) -> None:
    assert value(metrics, "removals_total", cause=cause) == 0


def test_the_end_of_a_resource_is_no_removal_of_the_guard(metrics: Metrics) -> None:
    assert value(metrics, "removals_total", cause="ResourceDeleted") is None


def test_a_removal_counts_by_its_cause(metrics: Metrics) -> None:
    for _ in range(2):
        metrics.removed(RemovalCause.ABSENT)

    assert value(metrics, "removals_total", cause="Absent") == 2
    assert value(metrics, "removals_total", cause="Untagged") == 0


@pytest.mark.parametrize("answer", ["gone", "present", "unclear"])
def test_an_answer_is_there_before_the_first_question(metrics: Metrics, answer: str) -> None:
    metrics.expect_tailnet("company.ts.net")

    assert value(metrics, "device_questions_total", **TAILNET, answer=answer) == 0


def test_a_question_counts_by_its_answer(metrics: Metrics) -> None:
    metrics.questioned("company.ts.net", "gone")

    assert value(metrics, "device_questions_total", **TAILNET, answer="gone") == 1


def test_what_waits_counts_by_endpoints_and_by_resources(metrics: Metrics) -> None:
    metrics.reported(API, "True", 7, 2)
    metrics.reported(WEB, "True", 7, 1)

    assert value(metrics, "endpoints_held") == 3
    assert value(metrics, "resources_blocked") == 2


def test_a_resource_in_which_nothing_waits_is_not_blocked(metrics: Metrics) -> None:
    metrics.reported(API, "True", 7)

    assert value(metrics, "endpoints_held") == 0
    assert value(metrics, "resources_blocked") == 0


@pytest.mark.parametrize("held", [1, 2])
def test_what_waits_no_more_does_not_count(metrics: Metrics, held: int) -> None:
    metrics.reported(API, "True", 7, held)
    metrics.reported(API, "True", 5, 0)

    assert value(metrics, "endpoints_held") == 0
    assert value(metrics, "resources_blocked") == 0


def test_what_waited_in_a_resource_that_is_gone_does_not_count(metrics: Metrics) -> None:
    metrics.reported(API, "True", 7, 2)
    metrics.gone(API)

    assert value(metrics, "endpoints_held") == 0
    assert value(metrics, "resources_blocked") == 0
