from datetime import UTC, datetime, timedelta

import pytest

from discovery.plan.trust import (
    Cause,
    Doubt,
    Freshness,
    Outage,
    common_domain,
    doubt,
    freshness,
    in_domains,
)
from discovery.tailnet import Device, DeviceList, UnknownDevice

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOMAINS = ("company.ts.net", "old.ts.net")


def listed(*names: str, tags: tuple[str, ...] = ("tag:x",), external: bool = False) -> DeviceList:
    devices = tuple(
        Device(node_id=f"n{i}", name=name, tags=tags, is_external=external)
        for i, name in enumerate(names)
    )
    return DeviceList(devices, (), "digest")


def cause(found: Doubt | None) -> Cause | None:
    return found.cause if found else None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (listed("a.company.ts.net", "b.old.ts.net"), None),
        (listed("a", "b"), None),
        (listed(), Cause.EMPTY_LIST),
        (listed("a.company.ts.net", "b.other.ts.net"), Cause.TAILNET_MISMATCH),
        (listed("a.company.ts.net", "b.company.ts.net", "c.other.ts.net"), None),
        (listed("a.company.ts.net", external=True), Cause.TAILNET_MISMATCH),
        (DeviceList((), (UnknownDevice(0, None, None, "no id"),), "d"), Cause.UNREADABLE_LIST),
    ],
)
def test_a_list_is_believed_only_when_verified(answer: DeviceList, expected: Cause | None) -> None:
    assert cause(doubt(answer, DOMAINS, ())) is expected


@pytest.mark.parametrize(
    ("tagged_before", "expected"),
    [({"n0", "n1", "n2"}, Cause.TAGS_MISSING), ({"n0", "n1", "n2", "x", "y", "z"}, None)],
)
def test_tags_gone_from_more_than_half_are_not_believed(
    tagged_before: set[str], expected: Cause | None
) -> None:
    answer = listed("a.company.ts.net", "b.company.ts.net", "c.company.ts.net", tags=())

    assert cause(doubt(answer, DOMAINS, tagged_before)) is expected


def test_a_suffix_is_compared_by_whole_labels() -> None:
    assert in_domains("a.COMPANY.ts.net", DOMAINS)
    assert not in_domains("a.mycompany.ts.net", DOMAINS)


def test_the_commonest_suffix_names_the_tailnet() -> None:
    names = ("a.company.ts.net", "b.company.ts.net", "c.other.ts.net", "bare")

    assert common_domain(listed(*names).devices) == "company.ts.net"
    assert common_domain(listed("bare").devices) is None


def outage(cause: Cause, failures: int) -> Outage:
    return Outage(Doubt(cause, "it said so"), NOW - MINUTE, failures)


@pytest.mark.parametrize(
    ("verified", "trouble", "reason"),
    [
        (NOW, None, "Verified"),
        (None, None, Cause.NOT_READ_YET),
        (NOW, outage(Cause.UNREACHABLE, 2), "Verified"),
        (NOW, outage(Cause.UNREACHABLE, 3), Cause.UNREACHABLE),
        (NOW, outage(Cause.CREDENTIALS_REFUSED, 1), Cause.CREDENTIALS_REFUSED),
        (NOW, outage(Cause.EMPTY_LIST, 1), Cause.EMPTY_LIST),
        (None, outage(Cause.UNREACHABLE, 1), Cause.UNREACHABLE),
        (NOW - 4 * MINUTE, outage(Cause.UNREACHABLE, 1), Cause.UNREACHABLE),
        (NOW - 4 * MINUTE, None, Cause.UNREACHABLE),
    ],
)
def test_freshness_ends_after_three_failures_or_intervals(
    verified: datetime | None, trouble: Outage | None, reason: str
) -> None:
    said = freshness("company.ts.net", verified, trouble, MINUTE, NOW)

    assert said.reason == reason
    assert said.fresh is (reason == "Verified")


def test_the_words_of_an_outage_do_not_change_with_time() -> None:
    def said(now: datetime) -> Freshness:
        return freshness("t", NOW, outage(Cause.UNREACHABLE, 3), MINUTE, now)

    assert said(NOW) == said(NOW + 60 * MINUTE)
    assert said(NOW).message == (
        "Since 2026-11-25T11:59:00Z: it said so. The last verified list stands."
    )
