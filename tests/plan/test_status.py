from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from discovery.plan.endpoints import Endpoint, Resolution, Source
from discovery.plan.observed import Observed, Sync
from discovery.plan.ports import Port
from discovery.plan.status import MAX_ENTRIES, report, says_something_new
from discovery.plan.trust import Freshness
from discovery.v1alpha1 import TailscaleEndpointsStatus
from discovery.v1alpha1_status import RemovalStatus, VIPServiceStatus

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7)
STALE = Freshness(fresh=False, reason="Unreachable", message="Since noon: it is down.")
CHECKED = {
    "ports": [{"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": {"enabled": True}}]
}


def test_what_the_last_status_said_of_endpoints_stands_while_nothing_can_be_resolved(
    make: Any,
) -> None:
    resource = make.resource()
    first = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    later = report(make.with_status(resource, first), Observed(STALE, Sync.NO_DEVICE_LIST), LATER)

    assert later.endpoints == first.endpoints
    assert later.total_endpoints == 1
    assert later.observed_generation == 3


@pytest.mark.parametrize(
    ("sync", "generation", "last_sync"),
    [
        (Sync.SYNCED, 3, LATER),
        (Sync.OBSERVE_ONLY, 3, NOW),
        (Sync.WRITE_FAILED, 2, NOW),
        (Sync.SERVICE_CONFLICT, 2, NOW),
    ],
)
def test_observed_generation_waits_for_the_writes(
    make: Any, sync: Sync, generation: int, last_sync: datetime
) -> None:
    before = TailscaleEndpointsStatus(observed_generation=2, last_sync=NOW)
    resource = make.with_status(make.resource(), before)
    status = report(resource, make.synced(make.resolved(resource), sync=sync, detail="So."), LATER)

    assert (status.observed_generation, status.last_sync) == (generation, last_sync)
    assert {c.observed_generation for c in status.conditions} == {3}


def test_an_entry_spells_ipv6_in_brackets_and_names_its_device(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("pinned", "fd7a:115c:a1e0::9", 443)],
        discovery={"addressFamilies": ["IPv6"]},
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    entries = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW).endpoints

    assert [(e.name, e.address, e.source, e.node_id) for e in entries] == [
        ("api-1", "[fd7a:115c:a1e0::1]:80", "TagSelector", "n1"),
        ("pinned", "[fd7a:115c:a1e0::9]:443", "Static", None),
    ]


def test_the_list_of_endpoints_is_cut_and_says_so(make: Any) -> None:
    resource = make.resource()
    endpoints = tuple(
        Endpoint(f"e{n:03}", Source.STATIC, "", "", (address,), (Port("http", 80),))
        for n in range(MAX_ENTRIES + 1)
        for address in make.resolved(make.resource(endpoints=[make.static("a", "100.64.0.1", 80)]))
        .endpoints[0]
        .addresses
    )
    status = report(resource, make.synced(Resolution(endpoints=endpoints)), NOW)

    assert (len(status.endpoints), status.truncated, status.total_endpoints) == (256, True, 257)


def test_times_and_offline_counts_alone_are_no_news(make: Any) -> None:
    resource = make.resource()
    first = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    offline = make.device(1, connected_to_control=False)
    second = report(resource, make.synced(make.resolved(resource, offline)), LATER)

    assert says_something_new(first, None)
    assert first != second
    assert not says_something_new(second, first)


def test_a_later_check_alone_is_no_news(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    first = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    checked = tuple(e.model_copy(update={"last_checked": LATER}) for e in first.endpoints)

    assert not says_something_new(first.model_copy(update={"endpoints": checked}), first)


@pytest.mark.parametrize(
    "change",
    [
        {"observed_generation": 2},
        {"healthy_endpoints": 1},
        {"unhealthy_endpoints": 1},
        {"total_endpoints": 2},
        {"discovered_endpoints": 0},
        {"truncated": True},
        {"conditions": ()},
    ],
)
def test_everything_else_is_news(make: Any, change: dict[str, Any]) -> None:
    resource = make.resource()
    status = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)

    assert says_something_new(status.model_copy(update=change), status)


def test_another_message_of_a_condition_is_news(make: Any) -> None:
    resource = make.resource()
    resolution = make.resolved(resource, make.device(1))
    other = Freshness(fresh=False, reason="Unreachable", message="Since one: it is down.")
    first = report(resource, make.synced(resolution, freshness=STALE), NOW)

    assert says_something_new(
        report(resource, make.synced(resolution, freshness=other), NOW), first
    )


def test_256_entries_are_not_cut(make: Any) -> None:
    resource = make.resource()
    (address,) = make.resolved(resource, make.device(1)).endpoints[0].addresses
    endpoints = tuple(
        Endpoint(f"e{n:03}", Source.STATIC, "", "", (address,), (Port("http", 80),))
        for n in range(MAX_ENTRIES)
    )
    status = report(resource, make.synced(Resolution(endpoints)), NOW)

    assert (len(status.endpoints), status.truncated) == (256, False)


def test_static_endpoints_are_not_counted_as_discovered(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("pinned", "100.64.0.9", 443)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    status = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)

    assert (status.total_endpoints, status.discovered_endpoints) == (2, 1)


def test_what_others_wrote_into_status_stands(make: Any) -> None:
    service = VIPServiceStatus(name="api", status="Serving")
    removal = RemovalStatus(total=4)
    resource = make.with_status(
        make.resource(), TailscaleEndpointsStatus(vip_services=(service,), removal=removal)
    )
    status = report(resource, make.synced(make.resolved(resource)), NOW)

    assert (status.vip_services, status.removal) == ((service,), removal)


def test_a_new_endpoint_is_news(make: Any) -> None:
    resource = make.resource()
    first = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    second = report(resource, make.synced(make.resolved(resource, make.device(2))), NOW)

    assert says_something_new(second, first)
