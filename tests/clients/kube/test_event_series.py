"""Repetition and rates of events, as tables: no server and no clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from discovery.clients.kube.event_series import (
    REMEMBERED,
    Bucket,
    Buckets,
    Ledger,
    Limits,
    Regarding,
    Said,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REGARDING = Regarding("gateway.tailscale.com/v1alpha1", "TailscaleEndpoints", "ns", "api", "uid-1")
SAID = Said(REGARDING, "Warning", "RemovalBlocked", "Hold", "3 endpoints wait")


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(Limits(series_ends=360.0, series_refresh=60.0))
    ledger.begin(SAID, "api.1", NOW, 1000.0)
    return ledger


def counts(ledger: Ledger, now: float) -> list[int]:
    return [series.count for _, series in ledger.due(now)]


def test_a_bucket_gives_its_burst_and_then_one_more_each_refill() -> None:
    bucket = Bucket(3, 10.0, 3, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(now) for now in (9.9, 10.0, 10.1, 20.0)] == [False, True, False, True]


def test_a_bucket_is_never_fuller_than_its_burst() -> None:
    bucket = Bucket(2, 10.0, 2, 0.0)
    assert [bucket.take(1e9) for _ in range(3)] == [True, True, False]


def test_reserved_tokens_come_one_after_the_other() -> None:
    bucket = Bucket(1, 0.5, 1, 0.0)
    assert [bucket.reserve(0.0) for _ in range(3)] == [0.0, 0.5, 1.0]


def test_each_object_has_a_bucket_of_its_own() -> None:
    buckets: Buckets[str] = Buckets(1, 10.0)
    assert [buckets.take(key, 0.0) for key in ("a", "b", "a")] == [True, True, False]


def test_the_object_that_was_quiet_longest_is_forgotten_first() -> None:
    buckets: Buckets[int] = Buckets(1, 1e9)
    for key in range(REMEMBERED):
        buckets.take(key, 0.0)
    buckets.take(0, 0.0)
    buckets.take(REMEMBERED, 0.0)
    assert len(buckets.by_key) == REMEMBERED
    assert (buckets.take(0, 0.0), buckets.take(1, 0.0)) == (False, True)


def test_what_was_said_once_is_no_series(ledger: Ledger) -> None:
    assert counts(ledger, 1e9) == []
    assert ledger.next_due() is None


def test_a_first_repetition_is_due_at_once(ledger: Ledger) -> None:
    assert ledger.repeat(SAID, NOW, 1005.0)
    assert counts(ledger, 1005.0) == [2]
    assert ledger.next_due() == 1000.0


def test_later_repetitions_are_written_once_a_minute(ledger: Ledger) -> None:
    ledger.repeat(SAID, NOW, 1005.0)
    ((_, series),) = ledger.due(1005.0)
    ledger.wrote(series, 2, 1005.0)
    for now in (1006.0, 1007.0):
        ledger.repeat(SAID, NOW, now)
    assert counts(ledger, 1064.9) == []
    assert (counts(ledger, 1065.0), ledger.next_due()) == ([4], 1065.0)


def test_a_repetition_during_a_write_is_still_due(ledger: Ledger) -> None:
    ledger.repeat(SAID, NOW, 1005.0)
    ((_, series),) = ledger.due(1005.0)
    ledger.repeat(SAID, NOW, 1005.5)
    ledger.wrote(series, 2, 1006.0)
    assert counts(ledger, 1066.0) == [3]


@pytest.mark.parametrize(
    "other",
    [
        SAID._replace(note="4 endpoints wait"),
        SAID._replace(reason="RemovalApproved"),
        SAID._replace(action="Remove"),
        SAID._replace(type="Normal"),
        SAID._replace(regarding=REGARDING._replace(uid="uid-2")),
    ],
)
def test_what_differs_in_anything_is_another_event(ledger: Ledger, other: Said) -> None:
    assert not ledger.repeat(other, NOW, 1005.0)


def test_a_series_ends_after_silence(ledger: Ledger) -> None:
    assert ledger.repeat(SAID, NOW, 1359.0)
    assert ledger.repeat(SAID, NOW, 1718.9)
    assert not ledger.repeat(SAID, NOW, 1718.9 + 360.0)


def test_a_series_that_ended_is_forgotten_once_its_last_count_is_written(ledger: Ledger) -> None:
    ledger.repeat(SAID, NOW, 1005.0)
    ledger.forget_ended(1365.0)
    assert counts(ledger, 1365.0) == [2]
    ((_, series),) = ledger.due(1365.0)
    ledger.wrote(series, 2, 1365.0)
    ledger.forget_ended(1364.9)
    assert len(ledger) == 1
    ledger.forget_ended(1365.0)
    assert len(ledger) == 0


def test_a_series_that_lasts_keeps_none_alive_that_ended(ledger: Ledger) -> None:
    lasting = SAID._replace(note="another")
    ledger.begin(lasting, "api.2", NOW, 1001.0)
    ledger.repeat(SAID, NOW, 1300.0)
    ledger.forget_ended(1361.0)
    assert not ledger.repeat(lasting, NOW, 1361.0)
    assert len(ledger) == 1


def test_the_ledger_is_bounded() -> None:
    ledger = Ledger(Limits())
    for number in range(REMEMBERED + 5):
        ledger.begin(SAID._replace(note=str(number)), f"api.{number}", NOW, 0.0)
    assert len(ledger) == REMEMBERED
    assert not ledger.repeat(SAID._replace(note="4"), NOW, 1.0)
    assert ledger.repeat(SAID._replace(note="5"), NOW, 1.0)
