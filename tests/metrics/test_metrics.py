from collections import Counter
from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from discovery import __version__
from discovery.metric_labels import Result
from discovery.metrics import Metrics
from discovery.plan.gate import Exclusion
from discovery.plan.trust import Cause
from discovery.v1alpha1 import Key
from tests.metrics.conftest import FETCHED

TAILNET = {"tailnet": "company.ts.net"}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tailnet_discovery_{name}", labels)


def test_the_version_is_told(metrics: Metrics) -> None:
    assert value(metrics, "build_info", version=__version__) == 1


@pytest.mark.parametrize("result", ["done", "unchanged", "failed"])
def test_a_result_of_passes_is_there_before_the_first(metrics: Metrics, result: str) -> None:
    assert value(metrics, "reconciles_total", result=result) == 0


@pytest.mark.parametrize("kind", ["Service", "EndpointSlice"])
@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_a_write_is_there_before_the_first(metrics: Metrics, kind: str, action: str) -> None:
    assert value(metrics, "writes_total", kind=kind, action=action) == 0
    assert value(metrics, "write_errors_total", kind=kind) == 0


def test_a_configured_tailnet_is_seen_before_its_first_poll(metrics: Metrics) -> None:
    metrics.expect_tailnet("company.ts.net")

    assert value(metrics, "polls_total", **TAILNET, result="Verified") == 0
    assert value(metrics, "polls_total", **TAILNET, result="CredentialsRefused") == 0
    assert value(metrics, "poll_duration_seconds_count", **TAILNET) == 0
    assert value(metrics, "last_verified_list_timestamp_seconds", **TAILNET) == 0
    assert value(metrics, "source_fresh", **TAILNET) == 0


@pytest.mark.parametrize("cause", [Cause.NOT_CONFIGURED, Cause.NOT_READ_YET])
def test_what_no_poll_can_say_is_no_result(metrics: Metrics, cause: Cause) -> None:
    metrics.expect_tailnet("company.ts.net")

    assert value(metrics, "polls_total", **TAILNET, result=cause) is None


@pytest.mark.parametrize(("cause", "result"), [(None, "Verified"), (Cause.EMPTY_LIST, "EmptyList")])
def test_a_poll_counts_by_its_result(metrics: Metrics, cause: Cause | None, result: str) -> None:
    metrics.polled("company.ts.net", cause, 0.3)

    assert value(metrics, "polls_total", **TAILNET, result=result) == 1
    assert value(metrics, "poll_duration_seconds_sum", **TAILNET) == 0.3


def test_a_verified_list_is_counted_by_verdict(metrics: Metrics) -> None:
    metrics.verified(
        "company.ts.net", FETCHED, 7, {Exclusion.UNTAGGED: 2, Exclusion.KEY_EXPIRED: 1}
    )

    assert value(metrics, "last_verified_list_timestamp_seconds", **TAILNET) == FETCHED.timestamp()
    assert value(metrics, "devices", **TAILNET, state="eligible") == 7
    assert value(metrics, "devices", **TAILNET, state="excluded") == 3
    assert value(metrics, "devices_excluded", **TAILNET, reason="untagged") == 2
    assert value(metrics, "devices_excluded", **TAILNET, reason="keyExpired") == 1


def test_a_reason_that_excludes_nobody_any_more_is_zero(metrics: Metrics) -> None:
    metrics.verified("company.ts.net", FETCHED, 7, {Exclusion.UNTAGGED: 2})
    metrics.verified("company.ts.net", FETCHED, 9, {})

    assert value(metrics, "devices_excluded", **TAILNET, reason="untagged") == 0


@pytest.mark.parametrize("fresh", [True, False])
def test_freshness_is_one_or_zero(metrics: Metrics, fresh: bool) -> None:
    metrics.fresh("company.ts.net", fresh=not fresh)
    metrics.fresh("company.ts.net", fresh=fresh)

    assert value(metrics, "source_fresh", **TAILNET) == int(fresh)


@pytest.mark.parametrize("leading", [True, False])
def test_leadership_is_one_or_zero(metrics: Metrics, leading: bool) -> None:
    metrics.led(leading=not leading)
    metrics.led(leading=leading)

    assert value(metrics, "leader") == int(leading)


def test_a_pass_counts_by_its_result(metrics: Metrics) -> None:
    metrics.reconciled(Result.UNCHANGED, 0.25)

    assert value(metrics, "reconciles_total", result="unchanged") == 1
    assert value(metrics, "reconcile_duration_seconds_sum") == 0.25
    assert value(metrics, "last_reconcile_timestamp_seconds") == 1_800_000_000


def test_a_failed_pass_is_no_last_pass(metrics: Metrics) -> None:
    metrics.reconciled(Result.FAILED, 0.25)

    assert value(metrics, "reconciles_total", result="failed") == 1
    assert value(metrics, "last_reconcile_timestamp_seconds") == 0


def test_resources_are_counted_by_ready(metrics: Metrics) -> None:
    metrics.reported(Key("default", "api"), "True", 7)
    metrics.reported(Key("default", "web"), "False", 2)

    assert value(metrics, "resources", ready="true") == 1
    assert value(metrics, "resources", ready="false") == 1
    assert value(metrics, "resources", ready="unknown") == 0
    assert value(metrics, "endpoints") == 9


def test_a_resource_counts_once_however_often_it_is_reported(metrics: Metrics) -> None:
    metrics.reported(Key("default", "api"), "False", 7)
    metrics.reported(Key("default", "api"), "True", 5)

    assert value(metrics, "resources", ready="true") == 1
    assert value(metrics, "resources", ready="false") == 0
    assert value(metrics, "endpoints") == 5


def test_a_resource_that_is_gone_does_not_count(metrics: Metrics) -> None:
    metrics.reported(Key("default", "api"), "True", 7)
    metrics.gone(Key("default", "api"))
    metrics.gone(Key("default", "api"))

    assert value(metrics, "resources", ready="true") == 0
    assert value(metrics, "endpoints") == 0


def test_writes_are_counted_by_kind(metrics: Metrics) -> None:
    metrics.wrote("EndpointSlice", "update")
    metrics.write_failed("Service")

    assert value(metrics, "writes_total", kind="EndpointSlice", action="update") == 1
    assert value(metrics, "write_errors_total", kind="Service") == 1


def test_requests_are_counted_and_timed(metrics: Metrics) -> None:
    metrics.requested("list", "services", "403", 0.5)

    called = {"verb": "list", "resource": "services"}
    assert value(metrics, "kube_requests_total", **called, code="403") == 1
    assert value(metrics, "kube_request_duration_seconds_sum", **called) == 0.5


def test_dropped_events_are_asked_for_at_each_scrape(metrics: Metrics) -> None:
    dropped = Counter({"queue": 1})
    metrics.follow_dropped_events(dropped)
    dropped["queue"] += 1

    assert value(metrics, "events_dropped_total", cause="queue") == 2
    assert value(metrics, "events_dropped_total", cause="refused") == 0


def test_pending_keys_are_asked_for_at_each_scrape(metrics: Metrics) -> None:
    waiting = [1, 2, 3]
    metrics.follow_pending(lambda: len(waiting))
    waiting.pop()

    assert value(metrics, "pending_keys") == 2


def test_a_watchs_monotonic_time_is_told_as_wall_time(metrics: Metrics) -> None:
    metrics.follow_watch("services", lambda: 490.0)

    name = "watch_last_activity_timestamp_seconds"
    assert value(metrics, name, resource="services") == 1_800_000_000 - 10


def test_two_of_them_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.wrote("Service", "create")

    assert value(second, "writes_total", kind="Service", action="create") == 0


def names(parse: Callable[[str], object], text: bytes) -> set[str]:
    families = parse(text.decode())
    return {family.name for family in families}  # type: ignore[attr-defined]


def test_the_text_can_be_scraped(busy: Metrics) -> None:
    assert "tailnet_discovery_polls" in names(read_text, busy.text())


def test_the_text_is_what_a_scraper_without_wishes_gets(busy: Metrics) -> None:
    body, content_type = busy.exposition("")

    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert "tailnet_discovery_polls" in names(read_text, body)


def test_openmetrics_is_served_to_whom_asks_for_it(busy: Metrics) -> None:
    body, content_type = busy.exposition(
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    )

    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert body.endswith(b"# EOF\n")
    assert "tailnet_discovery_polls" in names(read_openmetrics, body)


@pytest.mark.parametrize(
    "accept", ["text/plain;version=one", "application/openmetrics-text;version=x"]
)
def test_an_accept_header_that_makes_no_sense_gets_text(busy: Metrics, accept: str) -> None:
    assert busy.exposition(accept).content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_no_series_tells_when_it_was_created(busy: Metrics) -> None:
    assert b"_created" not in busy.text()
