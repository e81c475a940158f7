"""Who may take a Lease and when, as a table; and what is written into it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from discovery.clients.kube.lease_record import (
    LeaseRecord,
    Sighting,
    Timing,
    claimed,
    micro_time,
    released,
    sighted,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)


def record(
    holder: str = "other", *, duration: float | None = 20, renewed: str = "t1"
) -> LeaseRecord:
    return LeaseRecord("uid-1", holder, duration, "t0", renewed, 4)


@pytest.mark.parametrize(
    ("seen", "free_at"),
    [
        pytest.param(record(), 120.0, id="held by another: after the duration it promised"),
        pytest.param(record(duration=None), 115.0, id="without a duration: after our own"),
        pytest.param(record(""), -math.inf, id="released: at once"),
        pytest.param(record("me"), -math.inf, id="ours: at once"),
        pytest.param(None, -math.inf, id="not there: at once"),
    ],
)
def test_a_lease_is_free_from(seen: LeaseRecord | None, free_at: float) -> None:
    assert Sighting(seen, 100.0, "", first=False).free_at("me", 15.0) == free_at


def test_a_lease_that_was_never_there_is_nobody_s() -> None:
    assert sighted(None, None, "me", 100.0).trusted()


def test_a_lease_that_is_still_not_there_may_have_been_in_between() -> None:
    first = sighted(None, None, "me", 100.0)
    assert not sighted(first, None, "me", 103.0).trusted()


def test_a_lease_that_is_gone_may_still_have_a_holder() -> None:
    first = sighted(None, record(), "me", 100.0)
    assert not sighted(first, None, "me", 103.0).trusted()


def test_a_lease_that_is_there_tells_who_holds_it() -> None:
    first = sighted(None, None, "me", 100.0)
    assert sighted(first, record(), "me", 103.0).trusted()


def test_a_record_that_stands_still_keeps_the_time_of_its_first_sight() -> None:
    first = sighted(None, record(), "me", 100.0)
    assert sighted(first, record(), "me", 110.0).since == 100.0


@pytest.mark.parametrize(
    "changed",
    [
        record(renewed="t2"),
        record(renewed=""),
        record("third"),
        record(duration=5),
        LeaseRecord("uid-2", "other", 20, "t0", "t1", 4),
        None,
    ],
)
def test_any_change_of_the_record_starts_the_wait_anew(changed: LeaseRecord | None) -> None:
    first = sighted(None, record(), "me", 100.0)
    assert sighted(first, changed, "me", 110.0).since == 110.0


@pytest.mark.parametrize(
    ("records", "previous"),
    [
        ([record("a")], "a"),
        ([record("a"), record("b")], "b"),
        ([record("a"), record("")], ""),
        ([record("a"), None], "a"),
        ([record("a"), record("me")], "a"),
        ([record("me")], ""),
        ([None], ""),
        ([None, record("a")], "a"),
    ],
)
def test_the_previous_holder_is_the_last_that_did_not_release(
    records: list[LeaseRecord | None], previous: str
) -> None:
    sighting = None
    for seen in records:
        sighting = sighted(sighting, seen, "me", 100.0)
    assert sighting is not None
    assert sighting.previous == previous


def test_a_lease_is_read_whatever_it_leaves_out() -> None:
    assert LeaseRecord.of({}) == LeaseRecord("", "", None, "", "", 0)
    assert LeaseRecord.of({"metadata": {"uid": "u"}, "spec": None}).uid == "u"


def test_a_first_claim_has_no_transitions() -> None:
    assert claimed(None, "me", 15.0, NOW) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-03-01T12:00:00.000250Z",
        "renewTime": "2026-03-01T12:00:00.000250Z",
        "leaseTransitions": 0,
    }


def test_a_renewal_changes_the_time_of_the_renewal_alone() -> None:
    assert claimed(record("me"), "me", 15.0, NOW) == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "t0",
        "renewTime": "2026-03-01T12:00:00.000250Z",
        "leaseTransitions": 4,
    }


@pytest.mark.parametrize("before", ["other", ""])
def test_another_holder_is_a_transition(before: str) -> None:
    spec = claimed(record(before), "me", 15.0, NOW)
    assert (spec["leaseTransitions"], spec["acquireTime"]) == (5, spec["renewTime"])


def test_a_duration_is_rounded_up_so_that_nobody_comes_too_early() -> None:
    assert claimed(None, "me", 1.2, NOW)["leaseDurationSeconds"] == 2


def test_a_release_names_nobody_and_lasts_the_least_that_the_api_allows() -> None:
    spec = released(record("me"), NOW)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)
    assert spec["leaseTransitions"] == 4


def test_times_are_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert micro_time(datetime(2026, 3, 1, 1, tzinfo=east)) == "2026-02-28T23:00:00.000000Z"


@pytest.mark.parametrize(
    "timing",
    [(10.0, 10.0, 2.0), (15.0, 2.4, 2.0), (15.0, 10.0, 0.0)],
)
def test_a_timing_leaves_room_between_its_parts(timing: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="below the renew deadline"):
        Timing(*timing)
