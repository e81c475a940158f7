"""Every metric of the program, in a registry of its own.

Names follow Prometheus' conventions. Labels have few values: there is none for a device or for a
resource. What is known beforehand is there from the start with the value 0, since ``rate()`` does
not see the step from absent to 1. The help texts are the reference that users read:
``docs/reference/metrics.md`` is compared with them.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from discovery import __version__
from discovery.metric_labels import ANSWERS, DROPPED, GATES, KINDS, READY, VERIFIED, Result
from discovery.plan.changes import Action
from discovery.plan.gate import Exclusion
from discovery.plan.losses import RemovalCause
from discovery.plan.trust import Cause
from discovery.v1alpha1 import Key

_PREFIX: Final = "tailnet_discovery"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# A time of creation for each series would double their number; our zeros tell the same.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Exposition(NamedTuple):
    """The metrics in a form that a scraper accepts."""

    body: bytes
    content_type: str


class Metrics:
    """What happened and what is, as numbers. The methods are called where it happens.

    ``monotonic`` counts seconds, as the times of watches do; ``wall`` counts seconds since 1970.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._resources: dict[Key, tuple[str, int, int]] = {}
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._define_state()
        self._define_tailnets()
        self._define_passes()
        self._define_requests()

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def exposition(self, accept: str = "") -> Exposition:
        """Return everything in the form that an ``Accept`` header asks for: text or OpenMetrics."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return Exposition(encode(self.registry), content_type)

    def expect_tailnet(self, tailnet: str) -> None:
        """Let a configured tailnet be seen before its first poll."""
        self._source_fresh.labels(tailnet).set(0)
        self._verified.labels(tailnet)
        self._poll_duration.labels(tailnet)
        for answer in ANSWERS:
            self._questions.labels(tailnet, answer)
        for result in (VERIFIED, *Cause):
            if result not in {Cause.NOT_CONFIGURED, Cause.NOT_READ_YET}:
                self._polls.labels(tailnet, result)

    def polled(self, tailnet: str, cause: Cause | None, seconds: float) -> None:
        """Count a poll of a tailnet; ``cause`` says why its list is not verified, None: it is."""
        self._polls.labels(tailnet, cause or VERIFIED).inc()
        self._poll_duration.labels(tailnet).observe(seconds)

    def verified(
        self, tailnet: str, at: datetime, eligible: int, excluded: Mapping[Exclusion, int]
    ) -> None:
        """Take a verified list: when it was fetched (aware), and its devices by verdict."""
        self._verified.labels(tailnet).set(at.timestamp())
        self._devices.labels(tailnet, "eligible").set(eligible)
        self._devices.labels(tailnet, "excluded").set(sum(excluded.values()))
        for reason in GATES:
            self._excluded.labels(tailnet, reason).set(excluded.get(reason, 0))

    def fresh(self, tailnet: str, *, fresh: bool) -> None:
        """Say whether a tailnet's list may be called fresh, as condition SourceFresh does."""
        self._source_fresh.labels(tailnet).set(fresh)

    def reconciled(self, result: Result, seconds: float) -> None:
        """Count a pass over a resource and the time that it took."""
        self._reconciles.labels(result).inc()
        self._reconcile_duration.observe(seconds)
        if result is not Result.FAILED:
            self._last_reconcile.set(self._wall())

    def reported(self, key: Key, ready: str, endpoints: int, held: int = 0) -> None:
        """Take a resource's status of condition Ready, its endpoints, and those that are held."""
        self.gone(key)
        self._resources[key] = (ready.lower(), endpoints, held)
        self._ready.labels(ready.lower()).inc()
        self._endpoints.inc(endpoints)
        self._held.inc(held)
        self._blocked.inc(held > 0)

    def gone(self, key: Key) -> None:
        """Forget a resource that is deleted; one that was never reported is no error."""
        if key in self._resources:
            ready, endpoints, held = self._resources.pop(key)
            self._ready.labels(ready).dec()
            self._endpoints.dec(endpoints)
            self._held.dec(held)
            self._blocked.dec(held > 0)

    def removed(self, cause: RemovalCause) -> None:
        """Count an endpoint that was removed."""
        self._removals.labels(cause).inc()

    def questioned(self, tailnet: str, answer: str) -> None:
        """Count a device that was asked for by itself: gone, present, or unclear."""
        self._questions.labels(tailnet, answer).inc()

    def wrote(self, kind: str, action: str) -> None:
        """Count a write that the API server acknowledged."""
        self._writes.labels(kind, action).inc()

    def write_failed(self, kind: str) -> None:
        """Count a write that failed, or whose answer was lost."""
        self._write_errors.labels(kind).inc()

    def requested(self, verb: str, resource: str, code: str, seconds: float) -> None:
        """Count a request to the API server and the time until its answer began."""
        self._requests.labels(verb, resource, code).inc()
        self._request_duration.labels(verb, resource).observe(seconds)

    def follow_dropped_events(self, dropped: Mapping[str, int]) -> None:
        """Ask at each scrape how many events were never written, by cause."""
        self.registry.register(_DroppedEvents(dropped))

    def led(self, *, leading: bool) -> None:
        """Say whether this replica holds the Lease."""
        self._leader.set(leading)

    def follow_pending(self, pending: Callable[[], int]) -> None:
        """Ask at each scrape how many resources wait for a pass."""
        self._pending.set_function(pending)

    def follow_watch(self, resource: str, last_activity: Callable[[], float]) -> None:
        """Ask at each scrape when a watch last heard of the API server, in monotonic seconds."""
        self._watch_activity.labels(resource).set_function(
            lambda: self._wall() - (self._monotonic() - last_activity())
        )

    def _define_state(self) -> None:
        self._build = Info(f"{_PREFIX}_build", "The version that runs.", registry=self.registry)
        self._build.info({"version": __version__})
        self._leader = self._gauge("leader", "1 while this replica holds the Lease, else 0.")
        self._ready = self._gauge(
            "resources", "Resources by the status of condition Ready.", "ready"
        )
        self._endpoints = self._gauge("endpoints", "Endpoints in the slices of all resources.")
        self._held = self._gauge("endpoints_held", "Endpoints whose removal waits.")
        self._blocked = self._gauge(
            "resources_blocked", "Resources in which a removal waits (RemovalBlocked)."
        )
        self._removals = self._counter("removals", "Endpoints that were removed.", "cause")
        for ready in READY:
            self._ready.labels(ready)
        for cause in RemovalCause:
            if cause is not RemovalCause.RESOURCE_DELETED:
                self._removals.labels(cause)

    def _define_tailnets(self) -> None:
        self._devices = self._gauge(
            "devices",
            "Devices of the last verified list: eligible, or excluded.",
            "tailnet",
            "state",
        )
        self._excluded = self._gauge(
            "devices_excluded", "The excluded devices by what excludes them.", "tailnet", "reason"
        )
        self._verified = self._gauge(
            "last_verified_list_timestamp_seconds",
            "When the last verified list was fetched; 0: none yet.",
            "tailnet",
        )
        self._source_fresh = self._gauge(
            "source_fresh", "1 while the tailnet's list is fresh (SourceFresh), else 0.", "tailnet"
        )
        self._polls = self._counter(
            "polls", "Device lists asked for: Verified, or why not.", "tailnet", "result"
        )
        self._questions = self._counter(
            "device_questions",
            "Devices asked for by themselves before a removal, by what came of it.",
            "tailnet",
            "answer",
        )
        self._poll_duration = self._histogram(
            "poll_duration_seconds", "Time that a poll took, retries included.", "tailnet"
        )

    def _define_passes(self) -> None:
        self._reconciles = self._counter("reconciles", "Passes over a resource.", "result")
        self._reconcile_duration = self._histogram(
            "reconcile_duration_seconds", "Time that a pass over a resource took."
        )
        self._last_reconcile = self._gauge(
            "last_reconcile_timestamp_seconds", "When the last pass ended without an error."
        )
        self._pending = self._gauge("pending_keys", "Resources that wait for a pass.")
        self._writes = self._counter("writes", "Acknowledged writes of objects.", "kind", "action")
        self._write_errors = self._counter("write_errors", "Writes that failed.", "kind")
        for result in Result:
            self._reconciles.labels(result)
        for kind in KINDS:
            self._write_errors.labels(kind)
            for action in Action:
                self._writes.labels(kind, action)

    def _define_requests(self) -> None:
        self._requests = self._counter(
            "kube_requests",
            "Requests to the API server; code is the HTTP status, or error where no answer came.",
            "verb",
            "resource",
            "code",
        )
        self._request_duration = self._histogram(
            "kube_request_duration_seconds",
            "Time until the API server began to answer.",
            "verb",
            "resource",
        )
        self._watch_activity = self._gauge(
            "watch_last_activity_timestamp_seconds",
            "When a list or watch last heard from the API server.",
            "resource",
        )

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", meaning, labels, registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        options: dict[str, Any] = {"buckets": _SECONDS, "registry": self.registry}
        return Histogram(f"{_PREFIX}_{name}", meaning, labels, **options)


class _DroppedEvents(Collector):
    """A counter that is kept elsewhere: by the recorder of events."""

    def __init__(self, dropped: Mapping[str, int]) -> None:
        self._dropped = dropped

    def collect(self) -> Iterable[Metric]:
        """Return it as it is now; the causes that are known are there from the start."""
        meaning = "Events that were never written, by what kept them from it."
        family = CounterMetricFamily(f"{_PREFIX}_events_dropped", meaning, labels=["cause"])
        for cause in sorted({*DROPPED, *self._dropped}):
            family.add_metric([cause], self._dropped.get(cause, 0))
        yield family
