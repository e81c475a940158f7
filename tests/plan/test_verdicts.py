from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from discovery.plan.endpoints import Endpoint, Resolution, Source
from discovery.plan.ports import Port, Transport
from discovery.plan.status import MAX_ENTRIES, report
from discovery.v1alpha1 import TailscaleEndpointsStatus
from discovery.v1alpha1_status import EndpointVerdict

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7)
CHECKED = {
    "ports": [{"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": {"enabled": True}}]
}


def test_verdicts_stand_as_long_as_the_slices_say_the_same(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = make.resolved(resource, make.device(1), make.device(2), make.device(3))
    first = report(resource, make.synced(resolution), NOW)
    probed = make.with_verdicts(first, api_1="Healthy", api_2="Unhealthy", api_3="Healthy")
    ready = {("100.64.0.1", "http"): True, ("100.64.0.2", "http"): False}
    kept = report(make.with_status(resource, probed), make.synced(resolution, ready=ready), LATER)

    assert [(e.name, e.status) for e in kept.endpoints] == [
        ("api-2", "Unhealthy"),
        ("api-1", "Healthy"),
        ("api-3", "Healthy"),
    ]
    assert make.said(kept, "Healthy") == ("False", "Unhealthy")
    assert make.said(kept, "Ready") == ("True", "EndpointsUnhealthy")
    assert (kept.healthy_endpoints, kept.unhealthy_endpoints) == (2, 1)

    lost = report(make.with_status(resource, probed), make.synced(resolution), LATER)

    assert [(e.name, e.status) for e in lost.endpoints] == [
        ("api-1", "Healthy"),
        ("api-2", "Unknown"),
        ("api-3", "Healthy"),
    ]


def test_a_check_that_is_switched_on_has_no_verdict_yet(make: Any) -> None:
    unchecked = make.resource()
    before = report(unchecked, make.synced(make.resolved(unchecked, make.device(1))), NOW)
    checked = make.with_status(make.resource(discovery=CHECKED), before)
    status = report(checked, make.synced(make.resolved(checked, make.device(1))), LATER)

    assert [e.status for e in status.endpoints] == ["Unknown"]
    assert make.said(status, "Healthy") == ("Unknown", "NoVerdict")


def test_a_check_that_is_switched_off_leaves_no_verdict_behind(make: Any) -> None:
    checked = make.resource(discovery=CHECKED)
    first = report(checked, make.synced(make.resolved(checked, make.device(1))), NOW)
    unchecked = make.with_status(make.resource(), make.with_verdicts(first, api_1="Unhealthy"))
    status = report(unchecked, make.synced(make.resolved(unchecked, make.device(1))), LATER)

    assert [e.status for e in status.endpoints] == ["Unchecked"]
    assert status.unhealthy_endpoints == 0


def test_a_verdict_stands_whole_with_its_time_and_error(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = make.resolved(resource, make.device(1))
    first = report(resource, make.synced(resolution), NOW)
    probed = {"status": EndpointVerdict.UNHEALTHY, "last_checked": NOW, "error": "503"}
    entries = (first.endpoints[0].model_copy(update=probed),)
    before = make.with_status(resource, first.model_copy(update={"endpoints": entries}))
    ready = {("100.64.0.1", "http"): False}

    assert report(before, make.synced(resolution, ready=ready), LATER).endpoints == entries


@pytest.mark.parametrize("verdict", ["Healthy", "Unknown"])
def test_what_the_slices_do_not_call_ready_is_not_healthy(make: Any, verdict: str) -> None:
    resource = make.resource(discovery=CHECKED)
    resolution = make.resolved(resource, make.device(1))
    probed = make.with_verdicts(report(resource, make.synced(resolution), NOW), api_1=verdict)
    observed = make.synced(resolution, ready={("100.64.0.1", "http"): False})

    assert (
        report(make.with_status(resource, probed), observed, LATER).endpoints[0].status == "Unknown"
    )


def test_a_verdict_is_one_ports_where_two_transports_share_a_number(make: Any) -> None:
    address = make.resolved(make.resource(), make.device(1)).endpoints[0].addresses
    ports = (Port("a", 53, checked=True), Port("b", 53, Transport.UDP))
    resolution = Resolution((Endpoint("api-1", Source.TAG_SELECTOR, "n1", "", address, ports),))
    resource = make.resource()
    first = report(resource, make.synced(resolution), NOW)
    entries = tuple(
        entry.model_copy(update={"status": EndpointVerdict.HEALTHY})
        if entry.status == "Unknown"
        else entry
        for entry in first.endpoints
    )
    probed = make.with_status(resource, first.model_copy(update={"endpoints": entries}))

    assert report(probed, make.synced(resolution), LATER).endpoints == entries


def test_a_name_is_healthy_when_all_its_entries_are(make: Any) -> None:
    both = CHECKED | {"addressFamilies": ["IPv4", "IPv6"]}
    resource = make.resource(discovery=both)
    resolution = make.resolved(resource, make.device(1), make.device(2))
    first = report(resource, make.synced(resolution), NOW)

    def probed(*verdicts: str) -> TailscaleEndpointsStatus:
        entries = tuple(
            entry.model_copy(update={"status": EndpointVerdict(verdict)})
            for entry, verdict in zip(first.endpoints, verdicts, strict=True)
        )
        before = make.with_status(resource, first.model_copy(update={"endpoints": entries}))
        bad = {
            (e.address.rpartition(":")[0].strip("[]"), "http"): False
            for e in entries
            if e.status == "Unhealthy"
        }
        return report(before, make.synced(resolution, ready=bad), LATER)

    def counts(*verdicts: str) -> tuple[int, int]:
        status = probed(*verdicts)
        return status.healthy_endpoints, status.unhealthy_endpoints

    assert counts("Healthy", "Healthy", "Healthy", "Unknown") == (1, 0)
    assert counts("Healthy", "Unhealthy", "Unhealthy", "Unhealthy") == (0, 2)
    assert counts("Healthy", "Healthy", "Healthy", "Healthy") == (2, 0)
    assert make.message(probed("Healthy", "Healthy", "Healthy", "Unknown"), "Healthy") == (
        "1 of 4 addresses have no verdict."
    )


def test_unhealthy_entries_survive_the_cut(make: Any) -> None:
    resource = make.resource(discovery=CHECKED)
    devices = [
        make.device(n, name=f"e{n:03}.company.ts.net", addresses=(f"100.64.{n // 250}.{n % 250}",))
        for n in range(1, MAX_ENTRIES + 2)
    ]
    first = report(resource, make.synced(make.resolved(resource, *devices)), NOW)
    kept = first.endpoints[-1].model_copy(update={"status": EndpointVerdict.UNHEALTHY})
    before = make.with_status(resource, first.model_copy(update={"endpoints": (kept,)}))
    ready = {(kept.address.removesuffix(":80"), "http"): False}
    status = report(before, make.synced(make.resolved(resource, *devices), ready=ready), LATER)

    assert status.endpoints[0] == kept
    assert (len(status.endpoints), status.truncated) == (256, True)


def test_an_unchecked_port_does_not_keep_a_name_from_being_healthy(make: Any) -> None:
    ports = [*CHECKED["ports"], {"name": "ops", "port": 81, "protocol": "TCP"}]
    resource = make.resource(discovery={"ports": ports})
    resolution = make.resolved(resource, make.device(1))
    first = report(resource, make.synced(resolution), NOW)
    entries = tuple(
        entry.model_copy(update={"status": EndpointVerdict.HEALTHY})
        if entry.status == "Unknown"
        else entry
        for entry in first.endpoints
    )
    before = make.with_status(resource, first.model_copy(update={"endpoints": entries}))
    status = report(before, make.synced(resolution), LATER)

    assert [e.status for e in status.endpoints] == ["Healthy", "Unchecked"]
    assert status.healthy_endpoints == 1
