"""The guard: which losses may be carried out now, and what the others wait for.

Its promise: no fault costs an endpoint. What a user's edit removes goes at once; what a control
plane says is gone needs the device's own word, and, where it is much, the word of several lists.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from discovery.plan.evidence import Evidence
from discovery.plan.losses import GUARDED, Loss, RemovalCause
from discovery.plan.memory import (
    Waits,
    counted,
    in_parts,
    known_nodes,
    plan_hash,
    recent,
    remembered,
)
from discovery.plan.policy import RemovalRules
from discovery.v1alpha1 import GROUP, RemovalPolicy
from discovery.v1alpha1_status import RemovalStatus, RemovedEndpoints

APPROVAL_ANNOTATION: Final = f"{GROUP}/approve-removal"
"""Holds the name of the plan that a person approved, and what makes it differ from an approval of
the same plan at another time: ``PLAN/WHEN``. We never remove it."""

MIN_BUDGET: Final = 3
MIN_FOR_SELECTS_NOTHING: Final = 3


class Hold(StrEnum):
    """Why a removal waits: the reason of condition RemovalBlocked. The first one is told."""

    NEW_LEADER = "NewLeader"
    LIST_INCOMPLETE = "ListIncomplete"
    SELECTS_NOTHING = "SelectsNothing"
    TAILNET_LOSS = "TailnetLoss"
    CONFIG_CHANGED = "ConfigChanged"
    APPROVAL_NEEDED = "ApprovalNeeded"
    OVER_BUDGET = "OverBudget"
    UNCONFIRMED = "Unconfirmed"


@dataclass(frozen=True, slots=True)
class Case:
    """What a pass puts before the guard.

    ``size`` counts the discovered endpoints in slices, ``remaining`` those that are left when every
    loss is carried out. ``confirmed`` are nodes whose own answer said the same as the list.
    ``approval`` is the annotation's value; ``writes`` is false where the pass only observes.
    """

    losses: tuple[Loss, ...]
    size: int
    remaining: int
    confirmed: frozenset[str] = frozenset()
    approval: str = ""
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What the guard says: losses that may go, those that are held and why, and what it remembers.

    ``intent`` is the memory to be written before anything is removed, ``memory`` the one after.
    ``questions`` are nodes whose own answer is wanted. ``budget`` is how many could have gone.
    """

    released: tuple[Loss, ...] = ()
    held: Mapping[Loss, Hold] = field(default_factory=dict)
    intent: RemovalStatus | None = None
    memory: RemovalStatus | None = None
    questions: tuple[str, ...] = ()
    budget: int = 0

    @property
    def hold(self) -> Hold | None:
        """The reason that is told: the gravest."""
        return min(self.held.values(), key=list(Hold).index, default=None)


def decide(
    case: Case, evidence: Evidence, rules: RemovalRules, memory: RemovalStatus | None
) -> Decision:
    """Judge the losses of a pass. Without a list nothing that is guarded moves."""
    known = memory or RemovalStatus()
    empties = case.remaining == 0 and case.size >= MIN_FOR_SELECTS_NOTHING
    doubtful = tuple(one for one in case.losses if one.is_guarded or _is_emptying(one, empties))
    at_once = tuple(one for one in case.losses if one not in doubtful)
    if evidence.fetched_at is None:
        held = dict.fromkeys(doubtful, Hold.UNCONFIRMED)
        return Decision(at_once, held, memory, memory)
    fetched_at = evidence.fetched_at
    waits = counted(doubtful, known, evidence, fetched_at, rules.confirmations, case.confirmed)
    window = fetched_at - rules.confirmations * evidence.interval
    going = {one.node_id for one in doubtful}
    removed = recent(known, window, dict.fromkeys(going))
    size = max([case.size, *(entry.size for entry in removed)])
    budget = max(MIN_BUDGET, size * rules.max_percent // 100)
    gone = len({node for entry in removed for node in entry.nodes})
    plan = _plan(going, known)
    question = _Question(
        case,
        evidence,
        rules,
        is_over=len(going) + gone > budget or case.remaining == 0,
        due=waits.due(rules.confirmations, evidence.interval),
        confirmed=_confirmed(waits, evidence, rules),
        is_approved=_approved(case) == plan and case.approval != known.spent,
        empties=empties,
    )
    holds = {one: question.hold(one) for one in doubtful}
    held = {one: hold for one, hold in holds.items() if hold is not None}
    released = tuple(one for one in doubtful if one not in held)
    kept = waits if not case.writes else waits.of({one.node_id for one in held})
    counts = () if question.is_approved or not case.writes else released
    after = removed + _entry(counts, case.size, fetched_at)
    spent = case.approval if not kept.waits and _uses_up(case, known, plan) else known.spent
    return Decision(
        released=tuple(sorted((*at_once, *released))),
        held=held,
        intent=remembered(waits, plan, after, known.spent),
        memory=remembered(kept, plan if kept.waits else "", after, spent),
        questions=_questions(doubtful, question.confirmed, evidence),
        budget=budget,
    )


def _is_emptying(loss: Loss, empties: bool) -> bool:
    return empties and loss.by_edit


def _plan(going: Collection[str], known: RemovalStatus) -> str:
    """Return the name of the removals: the old one as long as their set only shrinks."""
    if not going:
        return ""
    return known.plan if known.plan and known_nodes(known) >= set(going) else plan_hash(going)


def _uses_up(case: Case, known: RemovalStatus, plan: str) -> bool:
    """Tell whether all that an approval was for has gone: it must not serve a second time."""
    return bool(case.approval) and _approved(case) in {plan, known.plan}


def _approved(case: Case) -> str:
    return case.approval.partition("/")[0]


def _entry(
    released: Collection[Loss], size: int, fetched_at: datetime
) -> tuple[RemovedEndpoints, ...]:
    nodes = [loss.node_id for loss in released]
    return tuple(RemovedEndpoints(at=fetched_at, size=size, nodes=some) for some in in_parts(nodes))


def _confirmed(waits: Waits, evidence: Evidence, rules: RemovalRules) -> frozenset[str]:
    """Return the nodes of which more than one list says that they go.

    A source that can not be asked confirms by repetition alone.
    """
    by_answer = frozenset(w.loss.node_id for w in waits.waits if w.confirmed)
    return by_answer if evidence.askable else waits.due(rules.confirmations, evidence.interval)


def _questions(
    doubtful: Collection[Loss], confirmed: Collection[str], evidence: Evidence
) -> tuple[str, ...]:
    """Return whose own answer is wanted, in order: one's own losses, then the tailnet's.

    A device that is missing from a list with an unreadable identity may be just that entry.
    """
    if not (evidence.askable and evidence.complete and doubtful):
        return ()
    own = [one.node_id for one in doubtful if one.cause in GUARDED]
    wanted = [node for node in own if node not in confirmed]
    return tuple(dict.fromkeys((*wanted, *evidence.open_questions)))


@dataclass(frozen=True, slots=True)
class _Question:
    """Everything that decides whether a single loss may go."""

    case: Case
    evidence: Evidence
    rules: RemovalRules
    is_over: bool
    due: frozenset[str]
    confirmed: frozenset[str]
    is_approved: bool
    empties: bool

    def hold(self, loss: Loss) -> Hold | None:
        """Return what the loss waits for; None where it may go."""
        if not self.evidence.leading:
            return Hold.NEW_LEADER
        emptying = _is_emptying(loss, self.empties)
        if self.evidence.disproved and not emptying:
            # Whoever approved believed a list that is known to be wrong.
            return Hold.LIST_INCOMPLETE
        if self.is_approved:
            return None
        if emptying:
            return Hold.SELECTS_NOTHING
        return next((hold for applies, hold in self._reasons(loss) if applies), None)

    def _reasons(self, loss: Loss) -> tuple[tuple[bool, Hold], ...]:
        """Return each reason to hold what a list says and nobody approved, the gravest first."""
        evidence, policy, cause = self.evidence, self.rules.policy, loss.cause
        budgets = policy is not RemovalPolicy.UNGUARDED
        over = budgets and self.is_over
        lost = budgets and cause is RemovalCause.ABSENT and bool(evidence.open_questions)
        # While no list can be had nothing goes that rests on one.
        certain = evidence.current and evidence.counts and loss.node_id in self.confirmed
        return (
            (lost, Hold.TAILNET_LOSS),
            (over and cause is RemovalCause.CONFIG_CHANGED, Hold.CONFIG_CHANGED),
            (over and policy is RemovalPolicy.APPROVE, Hold.APPROVAL_NEEDED),
            (over and loss.node_id not in self.due, Hold.OVER_BUDGET),
            (not certain, Hold.UNCONFIRMED),
        )
