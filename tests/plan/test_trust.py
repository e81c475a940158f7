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


def test_as_many_names_inside_as_outside_is_not_most() -> None:
    assert cause(doubt(listed("a.company.ts.net", "b.x.net"), DOMAINS, ())) is (
        Cause.TAILNET_MISMATCH
    )


def test_nameless_devices_do_not_make_a_strange_list_ours() -> None:
    assert cause(doubt(listed("a.x.net", "", ""), DOMAINS, ())) is Cause.TAILNET_MISMATCH


def test_devices_that_never_had_tags_lack_none() -> None:
    bare = (Device(node_id="laptop-1", name="b"), Device(node_id="laptop-2", name="c"))
    answer = DeviceList((*listed("a").devices, *bare), (), "d")

    assert doubt(answer, DOMAINS, {"n0"}) is None


def test_what_is_shared_in_or_nameless_says_nothing_of_the_tailnet() -> None:
    own, shared = listed("a.company.ts.net"), listed("b.x.net", "c.x.net", external=True)
    nameless = listed("", "")
    devices = own.devices + shared.devices + nameless.devices

    assert doubt(DeviceList(devices, (), "d"), DOMAINS, ()) is None


def test_half_of_the_tags_gone_is_believed() -> None:
    tagged, bare = listed("a").devices[0], Device(node_id="n9", name="b")
    answer = DeviceList((tagged, bare), (), "d")

    assert doubt(answer, DOMAINS, {"n0", "n9"}) is None


def test_a_device_that_is_missing_does_not_lack_tags() -> None:
    assert doubt(listed("a"), DOMAINS, {"n0", "gone-1", "gone-2"}) is None


@pytest.mark.parametrize(
    ("answer", "known", "message"),
    [
        (listed(), (), "the control plane answered with an empty device list"),
        (
            DeviceList((), (UnknownDevice(0, None, None, "it has no addresses"),), "d"),
            (),
            "none of the 1 devices in the list could be read; it has no addresses",
        ),
        (
            listed("a.x.net", "b.company.ts.net"),
            (),
            (
                "only 1 of 2 device names end in company.ts.net or old.ts.net; the credentials "
                "may be another tailnet's, or domains lacks a name of this one"
            ),
        ),
        (
            listed("a", "b", tags=()),
            ("n0", "n1", "n2"),
            "2 of 3 devices that had tags are listed without any",
        ),
    ],
)
def test_a_doubt_says_what_was_found(
    answer: DeviceList, known: tuple[str, ...], message: str
) -> None:
    found = doubt(answer, DOMAINS, known)

    assert found is not None
    assert found.message == message


def test_some_unreadable_devices_do_not_spoil_a_list() -> None:
    answer = DeviceList(listed("a").devices, (UnknownDevice(1, None, None, "no id"),), "d")

    assert doubt(answer, DOMAINS, ()) is None


def test_a_tie_of_suffixes_goes_to_the_first_by_name_and_shared_devices_do_not_vote() -> None:
    own = listed("a.b.ts.net", "a.a.ts.net").devices
    shared = listed("x.c.ts.net", "y.c.ts.net", external=True).devices

    assert common_domain(own + shared) == "a.ts.net"


def test_a_list_is_late_only_after_more_than_three_intervals() -> None:
    assert freshness("t", NOW - 3 * MINUTE, None, MINUTE, NOW).fresh
    assert freshness("t", NOW - 3 * MINUTE - timedelta(seconds=1), None, MINUTE, NOW).message == (
        "No device list of t was read since 2026-11-25T11:56:59Z."
    )


def test_before_the_first_list_no_list_stands() -> None:
    said = freshness("t", None, outage(Cause.UNREACHABLE, 1), MINUTE, NOW)

    assert said.message == "Since 2026-11-25T11:59:00Z: it said so."
    assert freshness("t", None, None, MINUTE, NOW).message == (
        "No device list of t has been read yet."
    )


def test_one_failure_of_a_late_list_tells_what_failed() -> None:
    said = freshness("t", NOW - 4 * MINUTE, outage(Cause.UNREACHABLE, 1), MINUTE, NOW)

    assert said.message == (
        "Since 2026-11-25T11:59:00Z: it said so. The last verified list stands."
    )
