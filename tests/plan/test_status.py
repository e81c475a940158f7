from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from discovery.plan.endpoints import Endpoint, Refused, Resolution, Source
from discovery.plan.gate import Exclusion
from discovery.plan.observed import Observed, Rejection, Sync
from discovery.plan.policy import TailnetPolicy
from discovery.plan.ports import Port
from discovery.plan.resolve import Candidates, resolve
from discovery.plan.status import MAX_ENTRIES, report, says_something_new
from discovery.plan.trust import Freshness
from discovery.v1alpha1 import TailscaleEndpoints, TailscaleEndpointsStatus

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7)
FRESH = Freshness(fresh=True, reason="Verified", message="Verified.")
STALE = Freshness(fresh=False, reason="Unreachable", message="Since noon: it is down.")
POLICY = TailnetPolicy("company.ts.net")
CHECKED = {
    "ports": [{"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": {"enabled": True}}]
}


def resolved(resource: TailscaleEndpoints, *devices: Any) -> Resolution:
    return resolve(resource, Candidates(devices), POLICY)


def synced(resolution: Resolution, **more: Any) -> Observed:
    fields: dict[str, Any] = {"freshness": FRESH, "sync": Sync.SYNCED, "slices": 1}
    return Observed(resolution=resolution, **(fields | more))


def said(status: TailscaleEndpointsStatus, condition: str) -> tuple[str, str]:
    (found,) = [c for c in status.conditions if c.type == condition]
    return found.status, found.reason


def message(status: TailscaleEndpointsStatus, condition: str) -> str:
    return next(c.message for c in status.conditions if c.type == condition)


def with_status(
    resource: TailscaleEndpoints, status: TailscaleEndpointsStatus
) -> TailscaleEndpoints:
    return resource.model_copy(update={"status": status})


def with_verdicts(status: TailscaleEndpointsStatus, **verdicts: str) -> TailscaleEndpointsStatus:
    """Give entries a verdict, as a prober would, by the endpoint's name with ``_`` for ``-``."""
    document = status.model_dump(by_alias=True)
    for entry in document["endpoints"]:
        entry["status"] = verdicts.get(entry["name"].replace("-", "_"), entry["status"])
    return TailscaleEndpointsStatus.model_validate(document)


def test_a_synced_resource_with_endpoints_is_ready(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    status = report(resource, synced(resolved(resource, make.device(1))), NOW)

    assert [c.type for c in status.conditions] == [
        "Ready",
        "Accepted",
        "SourceFresh",
        "EndpointsSynced",
        "Healthy",
    ]
    assert said(status, "Ready") == ("True", "EndpointsConfigured")
    assert said(status, "Healthy") == ("Unknown", "NoVerdict")
    assert {c.observed_generation for c in status.conditions} == {3}
    assert (status.observed_generation, status.last_sync) == (3, NOW)
    assert (status.total_endpoints, status.discovered_endpoints) == (1, 1)


@pytest.mark.parametrize(
    ("devices", "slices", "text"),
    [(1, 1, "1 endpoint in 1 EndpointSlice."), (2, 0, "2 endpoints in 0 EndpointSlices.")],
)
def test_endpoints_and_slices_are_counted(make: Any, devices: int, slices: int, text: str) -> None:
    resource = make.resource()
    resolution = resolved(resource, *(make.device(n) for n in range(1, devices + 1)))
    status = report(resource, synced(resolution, slices=slices), NOW)

    assert message(status, "EndpointsSynced") == text


def test_without_a_check_an_endpoint_is_unchecked_and_offline_devices_are_counted(
    make: Any,
) -> None:
    resource = make.resource()
    devices = (make.device(1, connected_to_control=False), make.device(2), make.device(3))
    status = report(resource, synced(resolved(resource, *devices)), NOW)

    assert {entry.status for entry in status.endpoints} == {"Unchecked"}
    assert said(status, "Healthy") == ("Unknown", "NoChecks")
    assert "calls 1 of them offline" in message(status, "Healthy")
    assert (status.healthy_endpoints, status.unhealthy_endpoints) == (0, 0)


def test_discovery_without_any_named_port_is_accepted_with_a_warning(make: Any) -> None:
    resource = make.resource()
    status = report(resource, synced(resolved(resource, make.device(1))), NOW)

    assert said(status, "Accepted") == ("True", "DefaultPort")


def test_collisions_and_refusals_stand_in_accepted(make: Any) -> None:
    resource = make.resource()
    resolution = Resolution(
        refused=(Refused("x", "n1", Exclusion.NOT_GRANTED), Refused("y", "", Exclusion.NO_ADDRESS)),
        collisions=("name 'api' is taken",),
        uses_default_port=True,
    )
    status = report(resource, synced(resolution), NOW)

    assert said(status, "Accepted") == ("True", "NameCollision")
    assert "refused: 1 noAddress, 1 notGranted" in message(status, "Accepted")
    assert said(status, "Ready") == ("False", "NoEndpoints")
    assert "2 selected, and each refused" in message(status, "Ready")


def test_no_endpoint_is_said_as_such(make: Any) -> None:
    resource = make.resource()
    status = report(resource, synced(resolved(resource)), NOW)

    assert said(status, "Ready") == ("False", "NoEndpoints")
    assert said(status, "Healthy") == ("Unknown", "NoEndpoints")
    assert "No device matches" in message(status, "Ready")


@pytest.mark.parametrize(
    ("observed", "accepted", "synced_reason", "ready_reason"),
    [
        (Observed(STALE, Sync.NO_DEVICE_LIST), "Accepted", "NoDeviceList", "NoDeviceList"),
        (
            Observed(FRESH, Sync.NOT_ACCEPTED, rejection=Rejection("PortConflict", "Two ports.")),
            "PortConflict",
            "NotAccepted",
            "PortConflict",
        ),
        (
            Observed(FRESH, Sync.WRITE_FAILED, detail="Full."),
            "Accepted",
            "WriteFailed",
            "WriteFailed",
        ),
        (
            Observed(FRESH, Sync.OBSERVE_ONLY, detail="Would."),
            "Accepted",
            "ObserveOnly",
            "ObserveOnly",
        ),
    ],
)
def test_what_hinders_a_pass_is_the_reason_of_ready(
    make: Any, observed: Observed, accepted: str, synced_reason: str, ready_reason: str
) -> None:
    status = report(make.resource(), observed, NOW)

    assert said(status, "Accepted")[1] == accepted
    assert said(status, "EndpointsSynced") == ("False", synced_reason)
    assert said(status, "Ready") == ("False", ready_reason)


def test_a_service_conflict_has_a_condition_of_its_own_while_it_lasts(make: Any) -> None:
    resource = make.resource()
    conflict = synced(resolved(resource), sync=Sync.SERVICE_CONFLICT, detail="It is theirs.")

    assert said(report(resource, conflict, NOW), "ServiceConflict") == ("True", "ForeignService")
    assert message(report(resource, conflict, NOW), "EndpointsSynced") == "It is theirs."


def test_foreign_endpoints_are_a_warning_in_a_true_condition(make: Any) -> None:
    resource = make.resource()
    observed = synced(resolved(resource, make.device(1)), foreign_endpoints=True)

    assert said(report(resource, observed, NOW), "EndpointsSynced") == ("True", "ForeignEndpoints")


def test_a_stale_source_changes_only_reason_and_message_of_ready(make: Any) -> None:
    resource = make.resource()
    observed = synced(resolved(resource, make.device(1)), freshness=STALE)
    status = report(resource, observed, NOW)

    assert said(status, "Ready") == ("True", "SourceStale")
    assert said(status, "SourceFresh") == ("False", "Unreachable")


def test_what_the_last_status_said_of_endpoints_stands_while_nothing_can_be_resolved(
    make: Any,
) -> None:
    resource = make.resource()
    first = report(resource, synced(resolved(resource, make.device(1))), NOW)
    later = report(with_status(resource, first), Observed(STALE, Sync.NO_DEVICE_LIST), LATER)

    assert later.endpoints == first.endpoints
    assert later.total_endpoints == 1
    assert later.observed_generation == 3


def test_observed_generation_waits_for_the_writes(make: Any) -> None:
    resource = make.resource()
    failed = synced(resolved(resource), sync=Sync.WRITE_FAILED, detail="Full.")

    assert report(resource, failed, NOW).observed_generation == 0


def test_a_transition_time_moves_only_when_the_status_flips(make: Any) -> None:
    resource = make.resource()
    first = report(resource, synced(resolved(resource, make.device(1))), NOW)
    stale = synced(resolved(resource, make.device(1)), freshness=STALE)
    second = report(with_status(resource, first), stale, LATER)
    times = {c.type: c.last_transition_time for c in second.conditions}

    assert times["Ready"] == NOW
    assert times["SourceFresh"] == LATER


def test_verdicts_stand_as_long_as_the_slices_say_the_same(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = resolved(resource, make.device(1), make.device(2), make.device(3))
    first = report(resource, synced(resolution), NOW)
    probed = with_verdicts(first, api_1="Healthy", api_2="Unhealthy", api_3="Healthy")
    ready = {("100.64.0.1", "http"): True, ("100.64.0.2", "http"): False}
    kept = report(with_status(resource, probed), synced(resolution, ready=ready), LATER)

    assert [(e.name, e.status) for e in kept.endpoints] == [
        ("api-2", "Unhealthy"),
        ("api-1", "Healthy"),
        ("api-3", "Healthy"),
    ]
    assert said(kept, "Healthy") == ("False", "Unhealthy")
    assert said(kept, "Ready") == ("True", "EndpointsUnhealthy")
    assert (kept.healthy_endpoints, kept.unhealthy_endpoints) == (2, 1)

    lost = report(with_status(resource, probed), synced(resolution), LATER)

    assert [(e.name, e.status) for e in lost.endpoints] == [
        ("api-1", "Healthy"),
        ("api-2", "Unknown"),
        ("api-3", "Healthy"),
    ]


def test_all_passing_checks_are_healthy(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = resolved(resource, make.device(1))
    probed = with_verdicts(report(resource, synced(resolution), NOW), api_1="Healthy")
    status = report(with_status(resource, probed), synced(resolution), LATER)

    assert said(status, "Healthy") == ("True", "Healthy")
    assert message(status, "Ready") == "All endpoints are configured and healthy"


def test_an_entry_spells_ipv6_in_brackets_and_names_its_device(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("pinned", "fd7a:115c:a1e0::9", 443)],
        discovery={"addressFamilies": ["IPv6"]},
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    entries = report(resource, synced(resolved(resource, make.device(1))), NOW).endpoints

    assert [(e.name, e.address, e.source, e.node_id) for e in entries] == [
        ("api-1", "[fd7a:115c:a1e0::1]:80", "TagSelector", "n1"),
        ("pinned", "[fd7a:115c:a1e0::9]:443", "Static", None),
    ]


def test_the_list_of_endpoints_is_cut_and_says_so(make: Any) -> None:
    resource = make.resource()
    endpoints = tuple(
        Endpoint(f"e{n:03}", Source.STATIC, "", "", (address,), (Port("http", 80),))
        for n in range(MAX_ENTRIES + 1)
        for address in resolved(make.resource(endpoints=[make.static("a", "100.64.0.1", 80)]))
        .endpoints[0]
        .addresses
    )
    status = report(resource, synced(Resolution(endpoints=endpoints)), NOW)

    assert (len(status.endpoints), status.truncated, status.total_endpoints) == (256, True, 257)


def test_times_and_offline_counts_alone_are_no_news(make: Any) -> None:
    resource = make.resource()
    first = report(resource, synced(resolved(resource, make.device(1))), NOW)
    offline = make.device(1, connected_to_control=False)
    second = report(resource, synced(resolved(resource, offline)), LATER)

    assert says_something_new(first, None)
    assert first != second
    assert not says_something_new(second, first)


def test_a_new_endpoint_is_news(make: Any) -> None:
    resource = make.resource()
    first = report(resource, synced(resolved(resource, make.device(1))), NOW)
    second = report(resource, synced(resolved(resource, make.device(2))), NOW)

    assert says_something_new(second, first)
