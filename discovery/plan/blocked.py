"""Removals in words: what goes and why; what waits, why, for how long, and who can end it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from discovery.plan.changes import Change, Changes
from discovery.plan.evidence import Evidence
from discovery.plan.guard import MIN_BUDGET, Decision, Hold
from discovery.plan.losses import MEANINGS, Loss
from discovery.plan.policy import RemovalRules
from discovery.plan.trust import spelled
from discovery.v1alpha1 import Key

_NOT_TO_BE_APPROVED: Final = frozenset({Hold.NEW_LEADER, Hold.LIST_INCOMPLETE})
MAX_NAMED: Final = 5
"""Endpoints that a message names; status.removal lists more."""


def blocked(
    key: Key, decision: Decision, size: int, evidence: Evidence, rules: RemovalRules
) -> str:
    """Return the message of condition RemovalBlocked, empty where nothing is held.

    It stays the same while the same waits for the same, so that waiting is not written each time.
    """
    hold = decision.hold
    if hold is None:
        return ""
    since = decision.memory.since if decision.memory else None
    start = f" since {spelled(since)}" if since else ""
    waits = "waits" if len(decision.held) == 1 else "wait"
    what = f"{len(decision.held)} of {size} discovered endpoints {waits} for removal{start}"
    said = [
        f"{what}: {', '.join(by_meaning(decision.held))}.",
        _why(hold, decision, evidence, rules),
    ]
    plan = decision.memory.plan if decision.memory else ""
    if plan and hold not in _NOT_TO_BE_APPROVED:
        said.append(f"To let them go now: tailnet-discovery approve {key} (plan {plan}).")
    return " ".join(said)


def explained(changes: Changes, released: Iterable[Loss]) -> Changes:
    """Give each write that takes endpoints away the causes for which they go."""
    by_name = {loss.name: loss for loss in released}

    def with_cause(change: Change) -> Change:
        before, after = (
            {e["hostname"] for e in one["endpoints"]} if one else set()
            for one in (change.before, change.after)
        )
        gone = [by_name[name] for name in before - after if name in by_name]
        if not gone:
            return change
        return replace(change, reason=f"{change.reason[:-1]}: {', '.join(by_meaning(gone))}.")

    phases = (changes.gains, changes.losses, changes.deletes)
    return Changes(*(tuple(map(with_cause, phase)) for phase in phases))


def _why(hold: Hold, decision: Decision, evidence: Evidence, rules: RemovalRules) -> str:
    budget = (
        f"At most {decision.budget} may go without waiting ({rules.max_percent} percent, at least "
        f"{MIN_BUDGET}, and never the last one)"
    )
    lists = f"{rules.confirmations} device lists must lack them"
    earliest = _earliest(decision, evidence, rules)
    unconfirmed = "The control plane, asked for each of them, has not confirmed it yet."
    if not evidence.complete:
        unconfirmed = "The device list holds an entry of unreadable identity: it removes nothing."
    elif not evidence.askable:
        unconfirmed = f"Their source can not be asked for one device: {lists}, {earliest}."
    return {
        Hold.NEW_LEADER: "The replica that led before may still be writing: it is waited for.",
        Hold.LIST_INCOMPLETE: "The device list lacks devices that are there: it removes nothing.",
        Hold.SELECTS_NOTHING: "The edited spec would leave none: correct it, or approve.",
        Hold.TAILNET_LOSS: (
            f"More than {rules.tailnet_max_percent} percent of the tailnet's tagged devices are "
            "missing: each of them must be confirmed by itself."
        ),
        Hold.CONFIG_CHANGED: f"{budget}, and a changed configuration waits for approval.",
        Hold.APPROVAL_NEEDED: f"{budget}, and the policy is Approve.",
        Hold.OVER_BUDGET: f"{budget}: {lists}, {earliest}.",
        Hold.UNCONFIRMED: unconfirmed,
    }[hold]


def _earliest(decision: Decision, evidence: Evidence, rules: RemovalRules) -> str:
    """Say when all of them can have been lacking for long enough."""
    span = (rules.confirmations - 1) * evidence.interval
    waiting = decision.memory.waiting if decision.memory else ()
    last = max((batch.since for batch in waiting), default=None)
    return f"until {spelled(last + span)} or later" if last else "one after the other"


def by_meaning(losses: Iterable[Loss]) -> list[str]:
    """Return each cause with the names of its endpoints."""
    by_cause: dict[str, list[str]] = {}
    for loss in losses:
        by_cause.setdefault(MEANINGS[loss.cause], []).append(loss.name)
    return [f"{named(names)} ({meaning})" for meaning, names in sorted(by_cause.items())]


def named(names: Iterable[str]) -> str:
    """Return the first names in order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return f"{', '.join(ordered[:MAX_NAMED])}{more}"
