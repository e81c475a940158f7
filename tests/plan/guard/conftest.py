"""Passes over one resource, list after list, as a controller makes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from discovery.plan.endpoints import Source
from discovery.plan.evidence import Evidence
from discovery.plan.gate import exclusion
from discovery.plan.guard import APPROVAL_ANNOTATION, Decision
from discovery.plan.losses import Listed
from discovery.plan.passes import Inputs, Pass, plan_pass
from discovery.plan.policy import RemovalRules, TailnetPolicy
from discovery.plan.removal import Seen
from discovery.plan.slices import EndpointSlice
from discovery.plan.status import report
from discovery.plan.trust import Freshness
from discovery.tailnet import Device, UnknownDevice
from discovery.v1alpha1 import TailscaleEndpoints

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FRESH = Freshness(fresh=True, reason="Verified", message="Verified.")
POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",))
SELECTED = [{"key": "env", "operator": "In", "values": ["production"]}]
STAGING = [{"key": "env", "operator": "In", "values": ["staging"]}]


def device(number: int, *tags: str, **fields: Any) -> Device:
    values: dict[str, Any] = {
        "node_id": f"n{number:02}",
        "name": f"api-{number:02}.company.ts.net",
        "addresses": (f"100.64.0.{number}",),
        "tags": tags or ("tag:env-production",),
    }
    return Device(**(values | fields))


def fleet(*numbers: int) -> list[Device]:
    return [device(number) for number in numbers]


def without(*numbers: int) -> list[int]:
    """The numbers of ten devices but for these."""
    return [number for number in range(1, 11) if number not in numbers]


@dataclass
class History:
    """A resource, its slices and its status, from one pass to the next.

    ``gone`` are nodes of which the control plane, when asked, says that there is no such device.
    ``answers`` are what it says of others. ``keeps`` is false for a process that has just started.
    """

    resource: TailscaleEndpoints
    policy: TailnetPolicy = POLICY
    now: datetime = START
    askable: bool = True
    gone: set[str] = field(default_factory=set)
    answers: dict[str, Device] = field(default_factory=dict)
    slices: tuple[EndpointSlice, ...] = ()
    before: dict[str, Device] = field(default_factory=dict)
    seen: Seen | None = None
    asked: tuple[str, ...] = ()

    def turn(
        self,
        devices: Iterable[Device],
        *,
        after: timedelta = MINUTE,
        evidence: Mapping[str, Any] | None = None,
        unknown: Iterable[UnknownDevice] = (),
        writes: bool = True,
    ) -> Pass:
        """Take a list and make a pass on it; carry out what it wants."""
        self.now += after
        made = self.look(devices, evidence=evidence, unknown=unknown, writes=writes)
        self.asked = made.decision.questions
        if self.askable and self.asked:
            told = dict.fromkeys(self.asked) if "*" in self.gone else {}
            told |= {n: None for n in self.asked if n in self.gone}
            told |= {n: d for n, d in self.answers.items() if n in self.asked}
            merged = {"answers": told} | dict(evidence or {})
            made = self.look(devices, evidence=merged, unknown=unknown, writes=writes)
        self.carry_out(made, devices)
        return made

    def look(
        self,
        devices: Iterable[Device],
        *,
        evidence: Mapping[str, Any] | None = None,
        unknown: Iterable[UnknownDevice] = (),
        writes: bool = True,
    ) -> Pass:
        """Make a pass and carry out nothing."""
        listed = {one.node_id: one for one in devices}
        excluded = {
            node: reason
            for node, one in listed.items()
            if (reason := exclusion(one, self.policy.denied, self.now)) is not None
        }
        selector, grammar = self.resource.spec.selector, self.policy.grammar
        matched = [
            one
            for node, one in listed.items()
            if node not in excluded and selector.matches(one.tags, grammar)
        ]
        by_address = {a: one for one in listed.values() for a in one.addresses}
        fields: dict[str, Any] = {"fetched_at": self.now, "askable": self.askable}
        self.seen = Seen(
            self.resource,
            self.slices,
            self.policy,
            matched,
            Listed(listed, excluded, by_address),
            tuple(unknown),
            Evidence(**(fields | dict(evidence or {}))),
            self.before,
            writes=writes,
        )
        inputs = Inputs(
            self.seen, (), mirrored=False, instance="default", freshness=FRESH, now=self.now
        )
        return plan_pass(inputs)

    def carry_out(self, made: Pass, devices: Iterable[Device]) -> None:
        listed = {one.node_id: one for one in devices}
        if made.writes:
            held = {one.name: one for one in self.slices}
            for change in made.changes:
                if change.kind != "EndpointSlice":
                    continue
                held.pop(change.name, None)
                if change.after is not None:
                    held[change.name] = EndpointSlice.parse(change.after)
            self.slices = tuple(held[name] for name in sorted(held))
        self.resource = self.resource.model_copy(
            update={"status": report(self.resource, made.observed, self.now)}
        )
        waiting = {loss.node_id for loss in made.decision.held}
        found = {e.node_id for e in made.resolution.endpoints if e.source is Source.TAG_SELECTOR}
        self.before = {
            node: self.before[node] if node in waiting else listed[node]
            for node in found
            if (node in self.before if node in waiting else node in listed)
        }

    def restart(self) -> None:
        """Forget what only a process knows."""
        self.before = {}
        self.seen = None

    def edit(self, **spec: Any) -> None:
        """Change the spec, as a user does; None takes a field out."""
        document = self.resource.model_dump(by_alias=True, exclude_unset=True, mode="json")
        merged = {**document["spec"], **spec}
        document["spec"] = {name: value for name, value in merged.items() if value is not None}
        document["metadata"]["generation"] += 1
        edited = TailscaleEndpoints.model_validate(document)
        self.resource = edited.model_copy(update={"status": self.resource.status})

    def approve(self, suffix: str = "") -> None:
        """Approve what waits now."""
        assert self.resource.status is not None
        assert self.resource.status.removal is not None
        annotations = {APPROVAL_ANNOTATION: self.resource.status.removal.plan + suffix}
        metadata = self.resource.metadata.model_copy(update={"annotations": annotations})
        self.resource = self.resource.model_copy(update={"metadata": metadata})

    def configure(self, **fields: Any) -> None:
        self.policy = replace(self.policy, **fields)

    def rules(self, **fields: Any) -> None:
        self.policy = replace(self.policy, removal=replace(RemovalRules(), **fields))

    @property
    def names(self) -> list[str]:
        """The nodes that the slices hold, by their numbers."""
        return sorted(e.node_id for held in self.slices for e in held.endpoints if e.node_id)

    @property
    def memory(self) -> dict[str, Any]:
        status = self.resource.status
        assert status is not None
        return status.removal.to_object() if status.removal else {}

    def condition(self, kind: str) -> tuple[str, str, str]:
        status = self.resource.status
        assert status is not None
        found = [c for c in status.conditions if c.type == kind]
        return (found[0].status, found[0].reason, found[0].message) if found else ("", "", "")


def reasons(decision: Decision) -> dict[str, str]:
    """What each held node waits for."""
    return {loss.node_id: str(hold) for loss, hold in decision.held.items()}


def causes(decision: Decision) -> dict[str, str]:
    """Why each node may go that may."""
    return {loss.node_id: str(loss.cause) for loss in decision.released}


def history(**spec: Any) -> History:
    if not {"endpoints", "tagSelectors"} & spec.keys():
        spec["tagSelectors"] = SELECTED
    return History(
        TailscaleEndpoints.model_validate(
            {
                "apiVersion": "gateway.tailscale.com/v1alpha1",
                "kind": "TailscaleEndpoints",
                "metadata": {"name": "api", "namespace": "default", "uid": "u1", "generation": 1},
                "spec": {"tailnet": "company.ts.net", **spec},
            }
        )
    )


@pytest.fixture
def ten() -> History:
    """A resource with ten discovered endpoints."""
    made = history()
    made.turn(fleet(*range(1, 11)))
    assert len(made.names) == 10
    return made
