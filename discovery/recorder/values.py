"""Inputs and outcomes of passes as plain values, and inputs back from them.

Of a tailnet only what the pass can have looked at is recorded; its device list has a record of its
own, to which the inputs refer.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import msgspec

from discovery.plan.changes import Change
from discovery.plan.evidence import Evidence
from discovery.plan.losses import Listed, Loss
from discovery.plan.passes import Inputs, Pass
from discovery.plan.policy import GrantRule, RemovalRules, TailnetPolicy
from discovery.plan.removal import Seen
from discovery.plan.selection import Selection
from discovery.plan.slices import EndpointSlice
from discovery.plan.status import report
from discovery.plan.trust import Freshness
from discovery.recorder.lists import RecordedList, device_value
from discovery.recorder.redaction import redacted_resource, redacted_service
from discovery.tailnet import Device, Snapshot
from discovery.v1alpha1 import TailscaleEndpoints
from discovery.v1alpha1_status import RemovalStatus, TailscaleEndpointsStatus
from tagselectors import TagGrammar


def inputs_value(inputs: Inputs, snapshot: Snapshot | None, made: Pass) -> dict[str, Any]:
    """Return the inputs of a pass; ``snapshot`` is the list that they are made from."""
    seen = inputs.seen
    nodes = _nodes_in_question(seen, made)
    evidence = msgspec.to_builtins(seen.evidence, order="deterministic")
    answers = {n: d for n, d in seen.evidence.answers.items() if n in nodes | seen.evidence.missing}
    evidence["answers"] = {n: None if d is None else device_value(d) for n, d in answers.items()}
    return {
        "resource": redacted_resource(seen.resource),
        "slices": slices_value(seen.slices),
        "services": [redacted_service(service) for service in inputs.services],
        "mirrored": inputs.mirrored,
        "instance": inputs.instance,
        "writes": seen.writes,
        "policy": _policy_value(seen.policy),
        "evidence": evidence,
        "before": {n: device_value(d) for n, d in seen.before.items() if n in nodes},
        "freshness": msgspec.to_builtins(inputs.freshness),
        "now": inputs.now,
        "list": snapshot and {"tailnet": snapshot.tailnet, "fetchedAt": snapshot.fetched_at},
    }


def restored_inputs(value: Mapping[str, Any], listed: RecordedList | None) -> Inputs:
    """Return the inputs of a recorded pass; the selectors are evaluated again.

    Raises ValueError where the value is not what this version records.
    """
    resource = TailscaleEndpoints.model_validate(value["resource"])
    policy = _policy(value["policy"])
    selection = Selection(policy)
    selection.define({resource.key: resource.spec})
    if listed is not None:
        fetched_at = msgspec.convert(value["list"]["fetchedAt"], datetime)
        selection.refresh(listed.devices.values(), fetched_at)
    seen = Seen(
        resource=resource,
        slices=msgspec.convert(value["slices"], tuple[EndpointSlice, ...]),
        policy=policy,
        matched=selection.matched(resource.key),
        listed=Listed(selection.devices, selection.excluded, selection.by_address),
        unknown=listed.unknown if listed else (),
        evidence=msgspec.convert(value["evidence"], Evidence),
        before=msgspec.convert(value["before"], dict[str, Device]),
        writes=value["writes"],
    )
    return Inputs(
        seen,
        tuple(value["services"]),
        value["mirrored"],
        value["instance"],
        msgspec.convert(value["freshness"], Freshness),
        msgspec.convert(value["now"], datetime),
    )


def status_after(made: Pass, now: datetime) -> TailscaleEndpointsStatus:
    """Return the status that follows from a pass whose writes succeed."""
    return report(made.resource, made.observed, now)


def outcome_value(made: Pass, status: TailscaleEndpointsStatus) -> dict[str, Any]:
    """Return what a pass came to: the changes, the guard's decision, and the status."""
    decision = made.decision
    return {
        "changes": changes_value(made.changes),
        "released": [_loss_value(loss) for loss in decision.released],
        "held": [
            _loss_value(loss) | {"reason": reason} for loss, reason in sorted(decision.held.items())
        ],
        "intent": _memory_value(decision.intent),
        "memory": _memory_value(decision.memory),
        "questions": decision.questions,
        "budget": decision.budget,
        "sync": made.observed.sync,
        "status": status.to_object(),
    }


def changes_value(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return changes with whole objects as they become; as they were, the inputs have them."""
    return [
        {
            "action": change.action,
            "kind": change.kind,
            "namespace": change.namespace,
            "name": change.name,
            "reason": change.reason,
            "needs": change.needs,
            "after": change.after,
        }
        for change in changes
    ]


def slices_value(slices: Iterable[EndpointSlice]) -> Any:
    """Return EndpointSlices as they are recorded."""
    return msgspec.to_builtins(tuple(slices))


def _nodes_in_question(seen: Seen, made: Pass) -> frozenset[str]:
    """Return the nodes that the guard could have looked at: those that might go."""
    decided = {loss.node_id for loss in (*made.decision.released, *made.decision.held)}
    had = {endpoint.node_id for held in seen.slices for endpoint in held.endpoints}
    return frozenset(decided | (had - {device.node_id for device in seen.matched}))


def _policy_value(policy: TailnetPolicy) -> dict[str, Any]:
    return {
        "tailnet": policy.tailnet,
        "domains": policy.domains,
        "denied": list(map(str, policy.denied)),
        "grants": None if policy.grants is None else msgspec.to_builtins(policy.grants),
        "tagKeys": sorted(policy.grammar.declared_keys),
        "removal": msgspec.to_builtins(policy.removal),
    }


def _policy(value: Mapping[str, Any]) -> TailnetPolicy:
    denied: list[IPv4Network | IPv6Network] = [ip_network(text) for text in value["denied"]]
    return TailnetPolicy(
        tailnet=value["tailnet"],
        domains=tuple(value["domains"]),
        denied=tuple(denied),
        grants=msgspec.convert(value["grants"], tuple[GrantRule, ...] | None),
        grammar=TagGrammar(value["tagKeys"]),
        removal=msgspec.convert(value["removal"], RemovalRules),
    )


def _loss_value(loss: Loss) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(loss)
    return value


def _memory_value(memory: RemovalStatus | None) -> dict[str, Any] | None:
    return None if memory is None else memory.to_object()
