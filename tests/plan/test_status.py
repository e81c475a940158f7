from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from discovery.plan.endpoints import Endpoint, Refused, Resolution, Source
from discovery.plan.gate import Exclusion
from discovery.plan.observed import Observed, Rejection, Sync
from discovery.plan.policy import TailnetPolicy
from discovery.plan.ports import Port, Transport
from discovery.plan.resolve import Candidates, resolve
from discovery.plan.status import MAX_ENTRIES, report, says_something_new
from discovery.plan.trust import Freshness
from discovery.v1alpha1 import TailscaleEndpoints, TailscaleEndpointsStatus
from discovery.v1alpha1_status import EndpointVerdict, RemovalStatus, VIPServiceStatus

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
    resource = with_status(make.resource(), before)
    status = report(resource, synced(resolved(resource), sync=sync, detail="So."), LATER)

    assert (status.observed_generation, status.last_sync) == (generation, last_sync)
    assert {c.observed_generation for c in status.conditions} == {3}


def test_an_outage_without_a_list_tells_of_the_source_only(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = resolved(resource, make.device(1))
    probed = with_verdicts(report(resource, synced(resolution), NOW), api_1="Healthy")
    before = report(with_status(resource, probed), synced(resolution), NOW)
    after = report(with_status(resource, before), Observed(STALE, Sync.NO_DEVICE_LIST), LATER)

    assert said(after, "Ready") == ("True", "SourceStale")
    assert message(after, "Ready") == "Endpoints are kept as they were. Since noon: it is down."
    assert said(after, "SourceFresh") == ("False", "Unreachable")
    for kept in ("Accepted", "EndpointsSynced", "Healthy"):
        assert [c for c in after.conditions if c.type == kept] == [
            c for c in before.conditions if c.type == kept
        ]


def test_a_service_conflict_stands_through_an_outage(make: Any) -> None:
    resource = make.resource()
    before = report(resource, synced(resolved(resource, make.device(1))), NOW)
    conflict = synced(resolved(resource, make.device(1)), sync=Sync.SERVICE_CONFLICT, detail="No.")
    conflicting = report(with_status(resource, before), conflict, NOW)
    after = report(with_status(resource, conflicting), Observed(STALE, Sync.NO_DEVICE_LIST), LATER)

    assert said(after, "ServiceConflict") == ("True", "ForeignService")
    assert said(after, "Ready") == ("False", "ServiceConflict")


def test_an_edited_spec_is_not_synced_before_there_is_a_list(make: Any) -> None:
    resource = make.resource()
    before = report(resource, synced(resolved(resource, make.device(1))), NOW)
    metadata = resource.metadata.model_copy(update={"generation": 4})
    edited = resource.model_copy(update={"metadata": metadata, "status": before})
    after = report(edited, Observed(STALE, Sync.NO_DEVICE_LIST), LATER)

    assert said(after, "EndpointsSynced") == ("False", "NoDeviceList")
    assert said(after, "Ready") == ("False", "NoDeviceList")
    assert after.observed_generation == 3


def test_a_rejection_speaks_over_what_stood(make: Any) -> None:
    resource = make.resource()
    before = report(resource, synced(resolved(resource, make.device(1))), NOW)
    rejected = Observed(FRESH, Sync.NOT_ACCEPTED, rejection=Rejection("NotGranted", "No grant."))
    after = report(with_status(resource, before), rejected, LATER)

    assert said(after, "Accepted") == ("False", "NotGranted")
    assert said(after, "Ready") == ("False", "NotGranted")
    assert message(after, "EndpointsSynced").startswith("Nothing is written while the resource")
    assert after.endpoints == before.endpoints


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


def test_a_later_check_alone_is_no_news(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    first = report(resource, synced(resolved(resource, make.device(1))), NOW)
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
    status = report(resource, synced(resolved(resource, make.device(1))), NOW)

    assert says_something_new(status.model_copy(update=change), status)


def test_another_message_of_a_condition_is_news(make: Any) -> None:
    resource = make.resource()
    resolution = resolved(resource, make.device(1))
    other = Freshness(fresh=False, reason="Unreachable", message="Since one: it is down.")
    first = report(resource, synced(resolution, freshness=STALE), NOW)

    assert says_something_new(report(resource, synced(resolution, freshness=other), NOW), first)


def test_a_check_that_is_switched_on_has_no_verdict_yet(make: Any) -> None:
    unchecked = make.resource()
    before = report(unchecked, synced(resolved(unchecked, make.device(1))), NOW)
    checked = with_status(make.resource(discovery=CHECKED), before)
    status = report(checked, synced(resolved(checked, make.device(1))), LATER)

    assert [e.status for e in status.endpoints] == ["Unknown"]
    assert said(status, "Healthy") == ("Unknown", "NoVerdict")


def test_a_check_that_is_switched_off_leaves_no_verdict_behind(make: Any) -> None:
    checked = make.resource(discovery=CHECKED)
    first = report(checked, synced(resolved(checked, make.device(1))), NOW)
    unchecked = with_status(make.resource(), with_verdicts(first, api_1="Unhealthy"))
    status = report(unchecked, synced(resolved(unchecked, make.device(1))), LATER)

    assert [e.status for e in status.endpoints] == ["Unchecked"]
    assert status.unhealthy_endpoints == 0


def test_a_verdict_stands_whole_with_its_time_and_error(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = resolved(resource, make.device(1))
    first = report(resource, synced(resolution), NOW)
    probed = {"status": EndpointVerdict.UNHEALTHY, "last_checked": NOW, "error": "503"}
    entries = (first.endpoints[0].model_copy(update=probed),)
    before = with_status(resource, first.model_copy(update={"endpoints": entries}))
    ready = {("100.64.0.1", "http"): False}

    assert report(before, synced(resolution, ready=ready), LATER).endpoints == entries


@pytest.mark.parametrize("verdict", ["Healthy", "Unknown"])
def test_what_the_slices_do_not_call_ready_is_not_healthy(make: Any, verdict: str) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = resolved(resource, make.device(1))
    probed = with_verdicts(report(resource, synced(resolution), NOW), api_1=verdict)
    observed = synced(resolution, ready={("100.64.0.1", "http"): False})

    assert report(with_status(resource, probed), observed, LATER).endpoints[0].status == "Unknown"


def test_a_verdict_is_one_ports_where_two_transports_share_a_number(make: Any) -> None:
    address = resolved(make.resource(), make.device(1)).endpoints[0].addresses
    ports = (Port("a", 53, checked=True), Port("b", 53, Transport.UDP))
    resolution = Resolution((Endpoint("api-1", Source.TAG_SELECTOR, "n1", "", address, ports),))
    resource = make.resource()
    first = report(resource, synced(resolution), NOW)
    entries = tuple(
        entry.model_copy(update={"status": EndpointVerdict.HEALTHY})
        if entry.status == "Unknown"
        else entry
        for entry in first.endpoints
    )
    probed = with_status(resource, first.model_copy(update={"endpoints": entries}))

    assert report(probed, synced(resolution), LATER).endpoints == entries


def test_a_name_is_healthy_when_all_its_entries_are(make: Any) -> None:
    both = CHECKED | {"addressFamilies": ["IPv4", "IPv6"]}
    resource = make.resource(discovery=both)
    resolution = resolved(resource, make.device(1), make.device(2))
    first = report(resource, synced(resolution), NOW)

    def probed(*verdicts: str) -> TailscaleEndpointsStatus:
        entries = tuple(
            entry.model_copy(update={"status": EndpointVerdict(verdict)})
            for entry, verdict in zip(first.endpoints, verdicts, strict=True)
        )
        before = with_status(resource, first.model_copy(update={"endpoints": entries}))
        bad = {
            (e.address.rpartition(":")[0].strip("[]"), "http"): False
            for e in entries
            if e.status == "Unhealthy"
        }
        return report(before, synced(resolution, ready=bad), LATER)

    def counts(*verdicts: str) -> tuple[int, int]:
        status = probed(*verdicts)
        return status.healthy_endpoints, status.unhealthy_endpoints

    assert counts("Healthy", "Healthy", "Healthy", "Unknown") == (1, 0)
    assert counts("Healthy", "Unhealthy", "Unhealthy", "Unhealthy") == (0, 2)
    assert counts("Healthy", "Healthy", "Healthy", "Healthy") == (2, 0)
    assert message(probed("Healthy", "Healthy", "Healthy", "Unknown"), "Healthy") == (
        "1 of 4 addresses have no verdict."
    )


def test_unhealthy_entries_survive_the_cut(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    devices = [
        make.device(n, name=f"e{n:03}.company.ts.net", addresses=(f"100.64.{n // 250}.{n % 250}",))
        for n in range(1, MAX_ENTRIES + 2)
    ]
    first = report(resource, synced(resolved(resource, *devices)), NOW)
    kept = first.endpoints[-1].model_copy(update={"status": EndpointVerdict.UNHEALTHY})
    before = with_status(resource, first.model_copy(update={"endpoints": (kept,)}))
    ready = {(kept.address.removesuffix(":80"), "http"): False}
    status = report(before, synced(resolved(resource, *devices), ready=ready), LATER)

    assert status.endpoints[0] == kept
    assert (len(status.endpoints), status.truncated) == (256, True)


def test_256_entries_are_not_cut(make: Any) -> None:
    resource = make.resource()
    (address,) = resolved(resource, make.device(1)).endpoints[0].addresses
    endpoints = tuple(
        Endpoint(f"e{n:03}", Source.STATIC, "", "", (address,), (Port("http", 80),))
        for n in range(MAX_ENTRIES)
    )
    status = report(resource, synced(Resolution(endpoints)), NOW)

    assert (len(status.endpoints), status.truncated) == (256, False)


def test_static_endpoints_are_not_counted_as_discovered(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("pinned", "100.64.0.9", 443)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    status = report(resource, synced(resolved(resource, make.device(1))), NOW)

    assert (status.total_endpoints, status.discovered_endpoints) == (2, 1)


def test_what_others_wrote_into_status_stands(make: Any) -> None:
    service = VIPServiceStatus(name="api", status="Serving")
    removal = RemovalStatus(total=4)
    resource = with_status(
        make.resource(), TailscaleEndpointsStatus(vip_services=(service,), removal=removal)
    )
    status = report(resource, synced(resolved(resource)), NOW)

    assert (status.vip_services, status.removal) == ((service,), removal)


def test_a_new_endpoint_is_news(make: Any) -> None:
    resource = make.resource()
    first = report(resource, synced(resolved(resource, make.device(1))), NOW)
    second = report(resource, synced(resolved(resource, make.device(2))), NOW)

    assert says_something_new(second, first)
