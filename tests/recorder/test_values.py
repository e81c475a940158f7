"""Inputs that are recorded come back as the same values."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from discovery.plan.endpointslice import AddressType
from discovery.plan.evidence import Evidence
from discovery.plan.passes import Inputs, plan_pass
from discovery.plan.policy import GrantRule, RemovalRules, TailnetPolicy
from discovery.plan.ports import Port, Transport
from discovery.plan.removal import Seen
from discovery.plan.slices import EndpointSlice, SliceEndpoint
from discovery.plan.trust import Freshness
from discovery.recorder.lists import recorded
from discovery.recorder.ring import encoded
from discovery.recorder.values import inputs_value, restored_inputs
from discovery.tailnet import Device, Snapshot, UnknownDevice
from discovery.v1alpha1 import RemovalPolicy, TailscaleEndpoints
from tagselectors import TagGrammar

NOW = datetime(2026, 11, 25, 12, 0, 30, 123456, tzinfo=UTC)
FETCHED = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DEVICE = Device(
    node_id="n1",
    name="a.company.ts.net",
    addresses=("100.64.0.1",),
    tags=("tag:env-production",),
    authorized=False,
    is_external=True,
    key_expiry_disabled=True,
    expires=NOW,
    connected_to_control=False,
    blocks_incoming_connections=True,
    tailnet_lock_error="x",
)
GOOD = Device(node_id="n2", addresses=("100.64.0.2",), tags=("tag:env-production",))
POLICY = TailnetPolicy(
    "company.ts.net",
    ("company.ts.net", "old.ts.net"),
    (ip_network("100.64.9.0/24"), ip_network("fd7a:115c:a1e0::/64")),
    (GrantRule(("default",), ("tag:env-*",)), GrantRule((), ())),
    TagGrammar(["env", "service-type"]),
    RemovalRules(RemovalPolicy.APPROVE, 10, 4, 60, 6),
)
HELD = EndpointSlice(
    namespace="default",
    name="api-0",
    address_type=AddressType.IPV4,
    ports=(Port("http", 80, Transport.UDP, "h2c"),),
    endpoints=(SliceEndpoint("a", "100.64.0.1", "n1", ready=False, serving=False),),
    labels=(("a", "b"),),
    owner_name="api",
    owner_uid="u",
    trigger_time="t",
    uid="v",
    resource_version="1",
    deleting=True,
    drifted=True,
)
RESOURCE = TailscaleEndpoints.model_validate(
    {
        "apiVersion": "gateway.tailscale.com/v1alpha1",
        "kind": "TailscaleEndpoints",
        "metadata": {"name": "api", "namespace": "default", "uid": "u", "generation": 3},
        "spec": {
            "tailnet": "company.ts.net",
            "tagSelectors": [{"key": "env", "operator": "Exists"}],
            "discovery": {"removal": {"confirmations": 5}},
        },
        "status": {"observedGeneration": 2, "policyHash": "0"},
    }
)
EVIDENCE = Evidence(
    fetched_at=FETCHED,
    interval=timedelta(seconds=90.5),
    current=False,
    disproved=True,
    complete=False,
    askable=False,
    answers={"n1": DEVICE, "n7": None},
    missing=frozenset({"n7"}),
    leading=False,
)
SNAPSHOT = Snapshot(
    "company.ts.net", (DEVICE, GOOD), (UnknownDevice(2, "n9", None, "odd"),), FETCHED, "d"
)
INPUTS = Inputs(
    Seen(
        RESOURCE,
        (HELD,),
        POLICY,
        matched=(GOOD,),
        unknown=SNAPSHOT.unknown,
        evidence=EVIDENCE,
        before={"n1": DEVICE},
        writes=False,
    ),
    ({"kind": "Service", "metadata": {"name": "api", "namespace": "default"}, "spec": {}},),
    mirrored=True,
    instance="blue",
    freshness=Freshness(fresh=False, reason="Unreachable", message="m"),
    now=NOW,
)


def restored() -> Inputs:
    value = json.loads(encoded(inputs_value(INPUTS, SNAPSHOT, plan_pass(INPUTS))))
    return restored_inputs(value, recorded(SNAPSHOT))


def test_all_that_is_recorded_comes_back() -> None:
    again = restored()
    listed = again.seen.listed
    assert replace(again, seen=replace(again.seen, listed=INPUTS.seen.listed)) == INPUTS
    assert listed.devices == {"n1": DEVICE, "n2": GOOD}
    assert listed.excluded == {"n1": "external"}
    assert listed.by_address == {"100.64.0.2": GOOD}


def test_of_the_tailnet_only_what_can_have_been_looked_at_is_recorded() -> None:
    answers = {"n1": DEVICE, "n7": None, "n8": None}
    before = {"n1": DEVICE, "n2": GOOD}
    more = replace(INPUTS.seen, evidence=replace(EVIDENCE, answers=answers), before=before)
    inputs = replace(INPUTS, seen=more)
    value = inputs_value(inputs, SNAPSHOT, plan_pass(inputs))
    assert set(value["evidence"]["answers"]) == {"n1", "n7"}
    assert set(value["before"]) == {"n1"}
