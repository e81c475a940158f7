"""Announcements: what a person who watches a resource is told once, beside what status keeps.

A cluster shows them as events. Each follows from the difference between two statuses, or from the
writes of the pass, so that an unchanged pass announces nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from discovery.plan.blocked import by_meaning, named
from discovery.plan.changes import Action, Change
from discovery.plan.losses import Loss
from discovery.v1alpha1_status import Condition, TailscaleEndpointsStatus

_BAD: Final[Mapping[str, str]] = {
    "Accepted": "False",
    "EndpointsSynced": "False",
    "Ready": "False",
    "RemovalBlocked": "True",
    "ServiceConflict": "True",
}
_SILENT: Final = frozenset({"NoDeviceList", "NotReadYet", "ObserveOnly"})


@dataclass(frozen=True, slots=True)
class Announcement:
    """One thing to tell: ``reason`` and ``action`` are words for programs, ``note`` a sentence."""

    is_warning: bool
    reason: str
    action: str
    note: str


def announcements(
    previous: TailscaleEndpointsStatus | None,
    status: TailscaleEndpointsStatus,
    changes: Sequence[Change],
    removed: Sequence[Loss] = (),
) -> tuple[Announcement, ...]:
    """Return what a pass is worth telling: conditions that turned, then what it wrote.

    ``removed`` are the losses that it carried out, whose causes are told.
    """
    before = {c.type: c for c in previous.conditions} if previous else {}
    if previous and _plan(previous) != _plan(status):
        before.pop("RemovalBlocked", None)
    turned = list(_turned(before, status.conditions))
    return (*turned, *_written(changes, removed))


def _plan(status: TailscaleEndpointsStatus) -> str:
    return status.removal.plan if status.removal else ""


def _turned(
    before: Mapping[str, Condition], conditions: Iterable[Condition]
) -> Iterator[Announcement]:
    """Announce each condition that became bad, or bad for another reason, and Ready again.

    Several conditions may say the same; the message is told once.
    """
    told: set[str] = set()
    for condition in conditions:
        known = before.get(condition.type)
        if known and (known.status, known.reason) == (condition.status, condition.reason):
            continue
        is_bad = _BAD.get(condition.type) == condition.status
        recovered = condition.type == "Ready" and condition.status == "True"
        if condition.reason in _SILENT or not (is_bad or (recovered and _was_bad(known))):
            continue
        if condition.message not in told:
            told.add(condition.message)
            yield Announcement(is_bad, condition.reason, "Reconcile", condition.message)


def _was_bad(known: Condition | None) -> bool:
    # What is ready at first sight is told by what was written for it.
    return known is not None and known.status != "True"


def _written(changes: Sequence[Change], removed: Sequence[Loss]) -> Iterator[Announcement]:
    replaced = {c.name for c in changes if c.kind == "Service" and c.action is Action.DELETE}
    for change in changes:
        if change.kind == "Service" and change.action is Action.CREATE and change.name in replaced:
            yield Announcement(
                is_warning=False,
                reason="ServiceReplaced",
                action="Replace",
                note=f"Service {change.name} was deleted and created again: {change.reason}",
            )
    slices = [change for change in changes if change.kind == "EndpointSlice"]
    before, after = _places(c.before for c in slices), _places(c.after for c in slices)
    added, gone = after - before, before - after
    causes = [loss for loss in removed if loss.name in gone]
    rest = gone - {loss.name for loss in causes}
    parts = [f"{len(added)} added ({named(added)})"] if added else []
    if gone:
        why = by_meaning(causes) + ([named(rest)] if rest else [])
        parts.append(f"{len(gone)} removed: {', '.join(why)}")
    if parts:
        note = f"Endpoints: {', '.join(parts)}."
        yield Announcement(is_warning=False, reason="EndpointsChanged", action="Update", note=note)


def _places(manifests: Iterable[Mapping[str, Any] | None]) -> set[str]:
    """Return the names of the endpoints that the slices hold."""
    return {
        endpoint["hostname"]
        for manifest in manifests
        if manifest is not None
        for endpoint in manifest["endpoints"]
    }
