"""Conditions: what a user reads first when something is wrong.

Messages say since when and never how old, so that a pass in which nothing changed says the same
words and is not written.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from discovery.plan.endpoints import Resolution
from discovery.plan.observed import Observed, Sync
from discovery.plan.trust import Cause
from discovery.v1alpha1_status import Condition, EndpointStatus, EndpointVerdict

DEFAULT_PORT = (
    "Discovered devices get port 80/HTTP, since discovery.ports is empty; declare the real port, "
    "or tag devices tag:port-N"
)
NO_CHECKS = "NoChecks"
MAX_COLLISIONS = 5
"""Collisions that are spelled out; a condition's message holds at most 32768 characters."""


@dataclass(frozen=True, slots=True)
class Saying:
    """A condition without its bookkeeping."""

    type: str
    status: str
    reason: str
    message: str


def sayings(
    observed: Observed, entries: Sequence[EndpointStatus], standing: Iterable[Condition] = ()
) -> tuple[Saying, ...]:
    """Return every condition that is to be shown, in the order in which kubectl prints them.

    ``standing`` are conditions of an earlier pass which this one, without a device list, can say
    nothing against: an outage tells of the source only.
    """
    stood = {c.type: Saying(c.type, c.status, c.reason, c.message) for c in standing}
    accepted = stood.get("Accepted") or _accepted(observed)
    synced = stood.get("EndpointsSynced") or _synced(observed)
    healthy = stood.get("Healthy") or _healthy(observed, entries)
    fresh = Saying(
        "SourceFresh",
        "True" if observed.freshness.fresh else "False",
        observed.freshness.reason,
        observed.freshness.message,
    )
    ready = (
        _not_true(accepted)
        or (_not_true(synced) and _not_true(_root(observed, fresh, synced)))
        or (_ready(observed, healthy) if entries else _nothing_selected(observed))
    )
    said = [ready, accepted, fresh, synced, healthy]
    if synced.reason == Sync.SERVICE_CONFLICT:
        said.append(Saying("ServiceConflict", "True", "ForeignService", synced.message))
    if blocked := stood.get("RemovalBlocked") or _blocked(observed):
        said.append(blocked)
    return tuple(said)


def conditions(
    said: Iterable[Saying], generation: int, previous: Sequence[Condition], now: datetime
) -> tuple[Condition, ...]:
    """Give sayings their bookkeeping; the transition time moves only when the status flips."""
    before = {condition.type: condition for condition in previous}
    return tuple(
        Condition(
            type=saying.type,
            status=saying.status,
            observed_generation=generation,
            last_transition_time=known.last_transition_time
            if (known := before.get(saying.type)) is not None and known.status == saying.status
            else now,
            reason=saying.reason,
            message=saying.message,
        )
        for saying in said
    )


def _accepted(observed: Observed) -> Saying:
    if observed.rejection is not None:
        return Saying("Accepted", "False", observed.rejection.reason, observed.rejection.message)
    resolution = observed.resolution or Resolution()
    warnings = [*resolution.collisions[:MAX_COLLISIONS]]
    if len(resolution.collisions) > MAX_COLLISIONS:
        warnings.append(f"{len(resolution.collisions) - MAX_COLLISIONS} more names are taken")
    reason = "NameCollision" if warnings else "Accepted"
    if resolution.refused:
        counts = Counter(refused.exclusion for refused in resolution.refused)
        warnings.append(
            "refused: " + ", ".join(f"{counts[name]} {name}" for name in sorted(counts))
        )
    if resolution.uses_default_port:
        reason = "DefaultPort" if reason == "Accepted" else reason
        warnings.append(DEFAULT_PORT)
    message = "; ".join(warnings) or "The resource is valid"
    return Saying("Accepted", "True", reason, f"{message}.")


def _blocked(observed: Observed) -> Saying | None:
    hold = observed.decision.hold if observed.decision else None
    return None if hold is None else Saying("RemovalBlocked", "True", hold, observed.blocked)


_NOT_SYNCED = {
    Sync.NOT_ACCEPTED: "Nothing is written while the resource is not accepted.",
    Sync.NO_DEVICE_LIST: "Nothing is written before a device list is verified.",
}


def _synced(observed: Observed) -> Saying:
    if observed.sync is not Sync.SYNCED:
        text = _NOT_SYNCED.get(observed.sync, observed.detail)
        return Saying("EndpointsSynced", "False", observed.sync, text)
    count = len((observed.resolution or Resolution()).endpoints)
    text = f"{_counted(count, 'endpoint')} in {_counted(observed.slices, 'EndpointSlice')}."
    if observed.foreign_endpoints:
        text += " The Service has a selector, so that endpoints of others join them."
        return Saying("EndpointsSynced", "True", "ForeignEndpoints", text)
    return Saying("EndpointsSynced", "True", Sync.SYNCED, text)


def _healthy(observed: Observed, entries: Sequence[EndpointStatus]) -> Saying:
    by_status = Counter(entry.status for entry in entries)
    unhealthy = by_status[EndpointVerdict.UNHEALTHY]
    if not entries:
        return Saying("Healthy", "Unknown", "NoEndpoints", "There is no endpoint.")
    if unhealthy:
        text = f"{unhealthy} of {len(entries)} addresses fail their health check."
        return Saying("Healthy", "False", "Unhealthy", text)
    if by_status[EndpointVerdict.UNKNOWN]:
        text = f"{by_status[EndpointVerdict.UNKNOWN]} of {len(entries)} addresses have no verdict."
        return Saying("Healthy", "Unknown", "NoVerdict", text)
    if by_status[EndpointVerdict.HEALTHY]:
        return Saying("Healthy", "True", "Healthy", "Every health check passes.")
    endpoints = (observed.resolution or Resolution()).endpoints
    offline = sum(endpoint.connected is False for endpoint in endpoints)
    text = f"No endpoint has a health check; the control plane calls {offline} of them offline."
    return Saying("Healthy", "Unknown", NO_CHECKS, text)


def _root(observed: Observed, fresh: Saying, synced: Saying) -> Saying:
    """Return what a user has to mend: without a tailnet's configuration no list will ever come."""
    return fresh if observed.freshness.reason == Cause.NOT_CONFIGURED else synced


def _not_true(saying: Saying) -> Saying | None:
    """Return Ready as a condition without which nothing is ready hinders it."""
    if saying.status == "True":
        return None
    return Saying("Ready", "False", saying.reason, saying.message)


def _ready(observed: Observed, healthy: Saying) -> Saying:
    if not observed.freshness.fresh:
        text = f"Endpoints are kept as they were. {observed.freshness.message}"
        return Saying("Ready", "True", "SourceStale", text)
    if blocked := _blocked(observed):
        return Saying("Ready", "True", blocked.type, blocked.message)
    if healthy.status == "False":
        return Saying("Ready", "True", "EndpointsUnhealthy", healthy.message)
    text = {
        "True": "All endpoints are configured and healthy",
        "Unknown": "All endpoints are configured",
    }[healthy.status]
    return Saying("Ready", "True", "EndpointsConfigured", text)


def _nothing_selected(observed: Observed) -> Saying:
    refused = (observed.resolution or Resolution()).refused
    text = "No device matches; `tailnet-discovery explain` shows each requirement's verdict."
    if refused:
        text = f"No endpoint: {len(refused)} selected, and each refused; see condition Accepted."
    return Saying("Ready", "False", "NoEndpoints", text)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
