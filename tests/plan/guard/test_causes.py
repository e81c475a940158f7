"""Why an endpoint is to go, where no edit explains it."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from msgspec import structs

from discovery.plan.endpointslice import EndpointSlice
from discovery.plan.losses import Baseline
from discovery.plan.policy import GrantRule
from discovery.v1alpha1 import RemovalPolicy
from tagselectors import TagGrammar
from tests.plan.guard.conftest import History, causes, device, fleet, history, reasons, without


def test_an_endpoint_whose_address_is_anothers_goes_at_once(ten: History) -> None:
    stranger = device(99, "tag:other", addresses=("100.64.0.1",))
    made = ten.turn([*fleet(*without(1, 2, 3, 4)), stranger])
    assert causes(made.decision) == {"n01": "Reassigned"}
    assert "n01" not in ten.names


def test_a_retagged_device_is_no_longer_selected(ten: History) -> None:
    changed = device(1, "tag:env-staging")
    ten.answers = {"n01": changed}
    made = ten.turn([changed, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Untagged"}


@pytest.mark.parametrize(
    "change",
    [
        {"grammar": TagGrammar(["env-production"])},
        {"grants": (GrantRule(tags=("tag:other",)),)},
        {"denied": (ip_network("100.64.0.0/24"),)},
    ],
)
def test_a_changed_configuration_over_the_budget_waits_for_a_person(
    ten: History, change: dict[str, object]
) -> None:
    devices = [*fleet(*range(1, 11)), device(20, "tag:env-production", "tag:other")]
    devices[-1] = device(20, "tag:env-production", "tag:other", addresses=("100.65.0.1",))
    ten.turn(devices)
    ten.configure(**change)
    ten.restart()
    ten.answers = {one.node_id: one for one in devices}
    for _ in range(5):
        made = ten.turn(devices)
        assert set(reasons(made.decision).values()) == {"ConfigChanged"}
        assert {str(loss.cause) for loss in made.decision.held} == {"ConfigChanged"}
    ten.approve()
    ten.turn(devices)
    assert len(ten.names) <= 1


def test_a_changed_configuration_within_the_budget_is_confirmed_like_others(ten: History) -> None:
    ten.configure(denied=(ip_network("100.64.0.1/32"),))
    ten.restart()
    devices = fleet(*range(1, 11))
    ten.answers = {one.node_id: one for one in devices}
    made = ten.turn(devices)
    assert causes(made.decision) == {"n01": "ConfigChanged"}


def test_the_configuration_counts_as_known_once_nothing_waits_because_of_it(ten: History) -> None:
    ten.configure(denied=(ip_network("100.65.0.0/16"),))
    ten.turn(fleet(*range(1, 11)))
    changed = device(1, "tag:env-staging")
    ten.answers = {"n01": changed}
    made = ten.turn([changed, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Untagged"}


def test_a_device_denied_by_an_old_rule_is_ineligible(ten: History) -> None:
    ten.configure(denied=(ip_network("100.65.0.0/16"),))
    ten.turn(fleet(*range(1, 11)))
    moved = device(1, addresses=("100.65.0.1",))
    ten.answers = {"n01": moved}
    made = ten.turn([moved, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Ineligible"}


def test_a_device_without_an_address_of_the_family_is_ineligible(ten: History) -> None:
    moved = device(1, addresses=("fd7a:115c:a1e0::9",))
    ten.answers = {"n01": moved}
    made = ten.turn([moved, *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Ineligible"}


def test_a_slice_without_its_annotation_is_guarded_all_the_same(ten: History) -> None:
    (held,) = ten.slices
    manifest = held.manifest()
    del manifest["metadata"]["annotations"]["gateway.tailscale.com/nodes"]
    ten.slices = (EndpointSlice.parse(manifest),)
    assert ten.names == []
    made = ten.turn(fleet(*without(1, 2, 3, 4)))
    assert set(reasons(made.decision).values()) == {"OverBudget"}
    assert len(ten.names) == 10


def test_a_changed_configuration_is_told_before_the_policy(ten: History) -> None:
    ten.rules(policy=RemovalPolicy.APPROVE)
    ten.configure(denied=(ip_network("100.64.0.0/24"),))
    made = ten.turn(fleet(*range(1, 11)))
    assert set(reasons(made.decision).values()) == {"ConfigChanged"}


def test_a_node_with_two_names_is_lost_by_the_first() -> None:
    made = history()
    made.turn([device(1, name="b.company.ts.net")])
    (held,) = made.slices
    renamed = [structs.replace(one, name=name) for one in held.endpoints for name in "bac"]
    assert Baseline.of([replace(held, endpoints=tuple(renamed))]).names == {"n01": "a"}


def test_losses_are_in_the_order_of_nodes_whatever_their_names() -> None:
    made = history()
    made.turn([device(1, node_id="n2"), device(2, node_id="n1"), device(3)])
    made.turn([device(3)])
    assert made.asked == ("n1", "n2")


def test_an_address_that_is_several_strangers_names_the_first(ten: History) -> None:
    one = device(1, addresses=("100.64.0.1", "fd7a:115c:a1e0::1"))
    made = history(discovery={"addressFamilies": ["IPv4", "IPv6"]})
    made.turn([one, *fleet(*without(1))])
    strangers = [
        device(98, "tag:other", addresses=("fd7a:115c:a1e0::1",)),
        device(97, "tag:other", addresses=("100.64.0.1",)),
    ]
    (loss,) = made.turn([*fleet(*without(1)), *strangers]).decision.released
    assert loss.detail == "its address is n97's"


def test_a_configuration_that_changes_in_a_running_process_is_no_edit(ten: History) -> None:
    ten.configure(grammar=TagGrammar(["env-production"]))
    made = ten.turn(fleet(*range(1, 11)))
    assert {loss.cause for loss in made.decision.held} == {"ConfigChanged"}


def test_a_changed_configuration_explains_no_device_that_is_not_authorized(ten: History) -> None:
    ten.configure(denied=(ip_network("100.65.0.0/16"),))
    ten.answers = {"n01": device(1, authorized=False)}
    made = ten.turn([device(1, authorized=False), *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Ineligible"}


@pytest.mark.parametrize(
    ("fields", "detail"),
    [({"tags": ("tag:a", "tag:b")}, "tags tag:a, tag:b"), ({"authorized": False}, "unauthorized")],
)
def test_the_evidence_says_what_the_device_looks_like(
    ten: History, fields: dict[str, Any], detail: str
) -> None:
    changed = device(1, **fields)
    ten.answers = {"n01": changed}
    (loss,) = ten.turn([changed, *fleet(*without(1))]).decision.released
    assert loss.detail == detail


def test_a_status_that_knows_no_configuration_explains_nothing_by_it(ten: History) -> None:
    assert ten.resource.status is not None
    older = ten.resource.status.model_copy(update={"policy_hash": ""})
    ten.resource = ten.resource.model_copy(update={"status": older})
    ten.answers = {"n01": device(1, "tag:env-staging")}
    made = ten.turn([device(1, "tag:env-staging"), *fleet(*without(1))])
    assert causes(made.decision) == {"n01": "Untagged"}
