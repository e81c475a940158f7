"""Metrics by clocks that stand still."""

from datetime import UTC, datetime

import pytest

from discovery.metric_labels import Result
from discovery.metrics import Metrics
from discovery.plan.gate import Exclusion
from discovery.plan.losses import RemovalCause
from discovery.plan.trust import Cause
from discovery.v1alpha1 import Key

FETCHED = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(monotonic=lambda: 500.0, wall=lambda: 1_800_000_000.0)


@pytest.fixture
def busy(metrics: Metrics) -> Metrics:
    """Metrics of which every method was called."""
    metrics.expect_tailnet("company.ts.net")
    metrics.polled("company.ts.net", Cause.UNREACHABLE, 2.0)
    metrics.verified("company.ts.net", FETCHED, 7, {Exclusion.UNTAGGED: 2})
    metrics.fresh("company.ts.net", fresh=True)
    metrics.reconciled(Result.DONE, 0.02)
    metrics.reported(Key("default", "api"), "True", 7, 2)
    metrics.removed(RemovalCause.ABSENT)
    metrics.questioned("company.ts.net", "gone")
    metrics.wrote("EndpointSlice", "create")
    metrics.write_failed("EndpointSlice")
    metrics.requested("patch", "endpointslices", "200", 0.004)
    metrics.follow_dropped_events({"queue": 1})
    metrics.led(leading=True)
    metrics.follow_pending(lambda: 3)
    metrics.follow_watch("tailscaleendpoints", lambda: 490.0)
    return metrics
