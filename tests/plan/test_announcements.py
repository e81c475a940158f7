from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from discovery.plan.announcements import Announcement, announcements
from discovery.plan.changes import Action, Change
from discovery.v1alpha1_status import Condition, TailscaleEndpointsStatus

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def status(*conditions: tuple[str, str, str, str]) -> TailscaleEndpointsStatus:
    """A status of conditions: type, status, reason, message."""
    return TailscaleEndpointsStatus(
        conditions=[
            Condition(
                type=kind,
                status=value,
                reason=reason,
                message=message,
                last_transition_time=NOW,
                observed_generation=1,
            )
            for kind, value, reason, message in conditions
        ]
    )


def told(
    before: TailscaleEndpointsStatus | None, after: TailscaleEndpointsStatus
) -> list[tuple[bool, str, str]]:
    return [(one.is_warning, one.reason, one.note) for one in announcements(before, after, ())]


READY = ("Ready", "True", "EndpointsConfigured", "3 endpoints.")
NOT_READY = ("Ready", "False", "NoEndpoints", "No device matches.")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Accepted", "False"),
        ("EndpointsSynced", "False"),
        ("Ready", "False"),
        ("ServiceConflict", "True"),
    ],
)
def test_a_condition_that_turns_bad_is_a_warning_in_its_own_words(kind: str, value: str) -> None:
    good = (kind, "True" if value == "False" else "False", "Fine", "All is well.")
    bad = (kind, value, "Broken", "It is broken.")
    assert told(status(good), status(bad)) == [(True, "Broken", "It is broken.")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Accepted", "True"),
        ("EndpointsSynced", "True"),
        ("SourceFresh", "False"),
        ("Healthy", "False"),
        ("ServiceConflict", "False"),
        ("Ready", "Unknown"),
    ],
)
def test_other_conditions_are_left_to_the_status(kind: str, value: str) -> None:
    assert told(status(), status((kind, value, "Other", "Something else."))) == []


def test_what_stays_bad_for_the_same_reason_is_not_told_again() -> None:
    later = ("Ready", "False", "NoEndpoints", "No device matches any more.")
    assert told(status(NOT_READY), status(later)) == []


def test_another_reason_is_told() -> None:
    conflict = ("Ready", "False", "ServiceConflict", "The Service is a stranger's.")
    assert told(status(NOT_READY), status(conflict)) == [
        (True, "ServiceConflict", "The Service is a stranger's.")
    ]


def test_a_resource_that_is_ready_again_is_told_as_normal_and_a_new_one_is_not() -> None:
    expected = [(False, "EndpointsConfigured", "3 endpoints.")]
    assert told(status(NOT_READY), status(READY)) == expected
    assert told(None, status(READY)) == []


def test_a_ready_resource_whose_reason_changes_is_not_told() -> None:
    stale = ("Ready", "True", "SourceStale", "3 endpoints, as of noon.")
    assert told(status(READY), status(stale)) == []


@pytest.mark.parametrize("reason", ["NoDeviceList", "NotReadYet", "ObserveOnly"])
def test_what_is_no_event_is_left_to_the_status(reason: str) -> None:
    assert told(None, status(("EndpointsSynced", "False", reason, "So far nothing."))) == []


def test_several_conditions_that_say_the_same_are_told_once() -> None:
    text = "The spec is invalid."
    after = status(("Accepted", "False", "Invalid", text), ("Ready", "False", "NotAccepted", text))
    assert told(None, after) == [(True, "Invalid", text)]


def slice_of(*names: str) -> dict[str, Any]:
    return {"endpoints": [{"hostname": name} for name in names]}


def change(
    action: Action,
    kind: str = "EndpointSlice",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    name: str = "api-0",
) -> Change:
    return Change(action, kind, "default", name, "The type changed.", before, after)


def notes(changes: Sequence[Change]) -> list[Announcement]:
    return list(announcements(None, status(), changes))


def test_endpoints_that_came_and_went_are_one_announcement() -> None:
    changes = [
        change(Action.UPDATE, before=slice_of("a", "b"), after=slice_of("b", "c")),
        change(Action.CREATE, after=slice_of("d"), name="api-1"),
    ]
    note = "Endpoints: 2 added (c, d), 1 removed: a."
    expected = Announcement(is_warning=False, reason="EndpointsChanged", action="Update", note=note)
    assert notes(changes) == [expected]


def test_endpoints_that_only_moved_between_slices_are_not_told() -> None:
    changes = [
        change(Action.CREATE, after=slice_of("a"), name="api-1"),
        change(Action.DELETE, before=slice_of("a")),
    ]
    assert notes(changes) == []


def test_five_names_are_told_and_the_others_counted() -> None:
    (said,) = notes([change(Action.CREATE, after=slice_of(*"gfedcba"))])
    assert said.note == "Endpoints: 7 added (a, b, c, d, e and 2 more)."
    (said,) = notes([change(Action.CREATE, after=slice_of(*"edcba"))])
    assert said.note == "Endpoints: 5 added (a, b, c, d, e)."


def test_a_service_that_is_made_anew_is_told_and_one_that_is_made_is_not() -> None:
    ends = change(Action.DELETE, "Service", before={}, name="api")
    comes = change(Action.CREATE, "Service", after={}, name="api")
    other = change(Action.CREATE, "Service", after={}, name="other")
    note = "Service api was deleted and created again: The type changed."
    expected = Announcement(is_warning=False, reason="ServiceReplaced", action="Replace", note=note)
    assert notes([ends, comes]) == [expected]
    assert notes([ends, other]) == []
    assert notes([comes]) == []
