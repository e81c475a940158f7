from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from discovery.plan.endpoints import Refused, Resolution
from discovery.plan.gate import Exclusion
from discovery.plan.observed import Observed, Rejection, Sync
from discovery.plan.status import report
from discovery.plan.trust import Freshness

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7)
FRESH = Freshness(fresh=True, reason="Verified", message="Verified.")
STALE = Freshness(fresh=False, reason="Unreachable", message="Since noon: it is down.")
CHECKED = {
    "ports": [{"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": {"enabled": True}}]
}


def test_a_synced_resource_with_endpoints_is_ready(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    status = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)

    assert [c.type for c in status.conditions] == [
        "Ready",
        "Accepted",
        "SourceFresh",
        "EndpointsSynced",
        "Healthy",
    ]
    assert make.said(status, "Ready") == ("True", "EndpointsConfigured")
    assert make.said(status, "Healthy") == ("Unknown", "NoVerdict")
    assert {c.observed_generation for c in status.conditions} == {3}
    assert (status.observed_generation, status.last_sync) == (3, NOW)
    assert (status.total_endpoints, status.discovered_endpoints) == (1, 1)


@pytest.mark.parametrize(
    ("devices", "slices", "text"),
    [(1, 1, "1 endpoint in 1 EndpointSlice."), (2, 0, "2 endpoints in 0 EndpointSlices.")],
)
def test_endpoints_and_slices_are_counted(make: Any, devices: int, slices: int, text: str) -> None:
    resource = make.resource()
    resolution = make.resolved(resource, *(make.device(n) for n in range(1, devices + 1)))
    status = report(resource, make.synced(resolution, slices=slices), NOW)

    assert make.message(status, "EndpointsSynced") == text


def test_without_a_check_an_endpoint_is_unchecked_and_offline_devices_are_counted(
    make: Any,
) -> None:
    resource = make.resource()
    devices = (make.device(1, connected_to_control=False), make.device(2), make.device(3))
    status = report(resource, make.synced(make.resolved(resource, *devices)), NOW)

    assert {entry.status for entry in status.endpoints} == {"Unchecked"}
    assert make.said(status, "Healthy") == ("Unknown", "NoChecks")
    assert "calls 1 of them offline" in make.message(status, "Healthy")
    assert (status.healthy_endpoints, status.unhealthy_endpoints) == (0, 0)


def test_discovery_without_any_named_port_is_accepted_with_a_warning(make: Any) -> None:
    resource = make.resource()
    status = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)

    assert make.said(status, "Accepted") == ("True", "DefaultPort")
    assert make.message(status, "Accepted") == (
        "Discovered devices get port 80/HTTP, since discovery.ports is empty; declare the real "
        "port, or tag devices tag:port-N."
    )


def test_collisions_and_refusals_stand_in_accepted(make: Any) -> None:
    resource = make.resource()
    resolution = Resolution(
        refused=(Refused("x", "n1", Exclusion.NOT_GRANTED), Refused("y", "", Exclusion.NO_ADDRESS)),
        collisions=("name 'api' is taken",),
        uses_default_port=True,
    )
    status = report(resource, make.synced(resolution), NOW)

    assert make.said(status, "Accepted") == ("True", "NameCollision")
    assert "refused: 1 noAddress, 1 notGranted" in make.message(status, "Accepted")
    assert make.said(status, "Ready") == ("False", "NoEndpoints")
    assert "2 selected, and each refused" in make.message(status, "Ready")


def test_no_endpoint_is_said_as_such(make: Any) -> None:
    resource = make.resource()
    status = report(resource, make.synced(make.resolved(resource)), NOW)

    assert make.said(status, "Ready") == ("False", "NoEndpoints")
    assert make.said(status, "Healthy") == ("Unknown", "NoEndpoints")
    assert "No device matches" in make.message(status, "Ready")


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

    assert make.said(status, "Accepted")[1] == accepted
    assert make.said(status, "EndpointsSynced") == ("False", synced_reason)
    assert make.said(status, "Ready") == ("False", ready_reason)


def test_a_service_conflict_has_a_condition_of_its_own_while_it_lasts(make: Any) -> None:
    resource = make.resource()
    conflict = make.synced(
        make.resolved(resource), sync=Sync.SERVICE_CONFLICT, detail="It is theirs."
    )

    assert make.said(report(resource, conflict, NOW), "ServiceConflict") == (
        "True",
        "ForeignService",
    )
    assert make.message(report(resource, conflict, NOW), "EndpointsSynced") == "It is theirs."


def test_foreign_endpoints_are_a_warning_in_a_true_condition(make: Any) -> None:
    resource = make.resource()
    observed = make.synced(make.resolved(resource, make.device(1)), foreign_endpoints=True)

    status = report(resource, observed, NOW)

    assert make.said(status, "EndpointsSynced") == ("True", "ForeignEndpoints")
    assert make.message(status, "EndpointsSynced") == (
        "1 endpoint in 1 EndpointSlice. "
        "The Service has a selector, so that endpoints of others join them."
    )


def test_a_stale_source_changes_only_reason_and_message_of_ready(make: Any) -> None:
    resource = make.resource()
    observed = make.synced(make.resolved(resource, make.device(1)), freshness=STALE)
    status = report(resource, observed, NOW)

    assert make.said(status, "Ready") == ("True", "SourceStale")
    assert make.said(status, "SourceFresh") == ("False", "Unreachable")


def test_an_outage_without_a_list_tells_of_the_source_only(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = make.resolved(resource, make.device(1))
    probed = make.with_verdicts(report(resource, make.synced(resolution), NOW), api_1="Healthy")
    before = report(make.with_status(resource, probed), make.synced(resolution), NOW)
    after = report(make.with_status(resource, before), Observed(STALE, Sync.NO_DEVICE_LIST), LATER)

    assert make.said(after, "Ready") == ("True", "SourceStale")
    assert (
        make.message(after, "Ready") == "Endpoints are kept as they were. Since noon: it is down."
    )
    assert make.said(after, "SourceFresh") == ("False", "Unreachable")
    for kept in ("Accepted", "EndpointsSynced", "Healthy"):
        assert [c for c in after.conditions if c.type == kept] == [
            c for c in before.conditions if c.type == kept
        ]


NOWHERE = Freshness(fresh=False, reason="NotConfigured", message="No tailnet is named so.")


def test_a_tailnet_that_nobody_configured_is_why_nothing_is_ready(make: Any) -> None:
    status = report(make.resource(), Observed(NOWHERE, Sync.NO_DEVICE_LIST), NOW)

    assert make.said(status, "Ready") == ("False", "NotConfigured")
    assert make.message(status, "Ready") == "No tailnet is named so."


def test_a_tailnet_that_left_the_configuration_leaves_ready_as_it_was(make: Any) -> None:
    resource = make.resource()
    served = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    later = resource.model_copy(update={"status": served})
    status = report(later, Observed(NOWHERE, Sync.NO_DEVICE_LIST), LATER)

    assert make.said(status, "Ready") == ("True", "SourceStale")


def test_a_service_conflict_stands_through_an_outage(make: Any) -> None:
    resource = make.resource()
    before = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    conflict = make.synced(
        make.resolved(resource, make.device(1)), sync=Sync.SERVICE_CONFLICT, detail="No."
    )
    conflicting = report(make.with_status(resource, before), conflict, NOW)
    after = report(
        make.with_status(resource, conflicting), Observed(STALE, Sync.NO_DEVICE_LIST), LATER
    )

    assert make.said(after, "ServiceConflict") == ("True", "ForeignService")
    assert make.said(after, "Ready") == ("False", "ServiceConflict")


def test_an_edited_spec_is_not_synced_before_there_is_a_list(make: Any) -> None:
    resource = make.resource()
    before = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    metadata = resource.metadata.model_copy(update={"generation": 4})
    edited = resource.model_copy(update={"metadata": metadata, "status": before})
    after = report(edited, Observed(STALE, Sync.NO_DEVICE_LIST), LATER)

    assert make.said(after, "EndpointsSynced") == ("False", "NoDeviceList")
    assert make.said(after, "Ready") == ("False", "NoDeviceList")
    assert after.observed_generation == 3


def test_a_rejection_speaks_over_what_stood(make: Any) -> None:
    resource = make.resource()
    before = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    rejected = Observed(FRESH, Sync.NOT_ACCEPTED, rejection=Rejection("NotGranted", "No grant."))
    after = report(make.with_status(resource, before), rejected, LATER)

    assert make.said(after, "Accepted") == ("False", "NotGranted")
    assert make.said(after, "Ready") == ("False", "NotGranted")
    assert make.message(after, "EndpointsSynced").startswith(
        "Nothing is written while the resource"
    )
    assert after.endpoints == before.endpoints


def test_a_transition_time_moves_only_when_the_status_flips(make: Any) -> None:
    resource = make.resource()
    first = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)
    stale = make.synced(make.resolved(resource, make.device(1)), freshness=STALE)
    second = report(make.with_status(resource, first), stale, LATER)
    times = {c.type: c.last_transition_time for c in second.conditions}

    assert times["Ready"] == NOW
    assert times["SourceFresh"] == LATER


def test_all_passing_checks_are_healthy(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = make.resolved(resource, make.device(1))
    probed = make.with_verdicts(report(resource, make.synced(resolution), NOW), api_1="Healthy")
    status = report(make.with_status(resource, probed), make.synced(resolution), LATER)

    assert make.said(status, "Healthy") == ("True", "Healthy")
    assert make.message(status, "Ready") == "All endpoints are configured and healthy"


def test_a_resource_without_a_fault_is_called_valid(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    status = report(resource, make.synced(make.resolved(resource, make.device(1))), NOW)

    assert make.said(status, "Accepted") == ("True", "Accepted")
    assert make.message(status, "Accepted") == "The resource is valid."


def test_warnings_and_offline_counts_stand_through_an_outage(make: Any) -> None:
    resource = make.resource()
    device = make.device(1, connected_to_control=False)
    before = report(resource, make.synced(make.resolved(resource, device)), NOW)
    outage = Observed(STALE, Sync.NO_DEVICE_LIST)
    after = report(make.with_status(resource, before), outage, LATER)

    assert make.said(after, "Accepted") == ("True", "DefaultPort")
    assert "calls 1 of them offline" in make.message(after, "Healthy")


def test_who_selected_nothing_before_an_outage_has_no_endpoint_in_it(make: Any) -> None:
    resource = make.resource()
    before = report(resource, make.synced(make.resolved(resource)), NOW)
    outage = Observed(STALE, Sync.NO_DEVICE_LIST)
    after = report(make.with_status(resource, before), outage, LATER)

    assert make.said(after, "Ready") == ("False", "NoEndpoints")


def test_of_unhealthy_addresses_it_is_said_how_many(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = make.resolved(resource, make.device(1), make.device(2))
    probed = make.with_verdicts(report(resource, make.synced(resolution), NOW), api_1="Unhealthy")
    observed = make.synced(resolution, ready={("100.64.0.1", "http"): False})
    status = report(make.with_status(resource, probed), observed, LATER)

    for condition in ("Healthy", "Ready"):
        assert make.message(status, condition) == "1 of 2 addresses fail their health check."


@pytest.mark.parametrize(("collisions", "rest"), [(5, ""), (1000, "; 995 more names are taken")])
def test_a_thousand_collisions_fit_into_a_message(make: Any, collisions: int, rest: str) -> None:
    taken = tuple(f"name {'a' * 63}-{n} is taken" for n in range(collisions))
    status = report(make.resource(), make.synced(Resolution(collisions=taken)), NOW)

    assert make.message(status, "Accepted") == f"{'; '.join(taken[:5])}{rest}."
