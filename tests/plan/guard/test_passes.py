"""What a pass comes to beside its removals."""

from typing import Any

from discovery.plan.changes import Action
from discovery.plan.observed import Sync
from discovery.plan.passes import Inputs, Pass, plan_pass
from discovery.plan.policy import GrantRule
from tests.plan.guard.conftest import FRESH, MINUTE, History, fleet, history

ALL = fleet(*range(1, 11))


def passed(history: History, *services: dict[str, Any], mirrored: bool = False) -> Pass:
    """Make the last pass again, over these Services; nothing is carried out."""
    assert history.seen is not None
    return plan_pass(
        Inputs(history.seen, services, mirrored, "default", freshness=FRESH, now=history.now)
    )


def own_service(history: History) -> dict[str, Any]:
    """Return the Service as the first pass would make it."""
    (change,) = [c for c in passed(history).changes if c.kind == "Service"]
    assert change.after is not None
    made: dict[str, Any] = dict(change.after)
    made["metadata"] = dict(made["metadata"]) | {"uid": "s1"}
    return made


def test_a_namespace_that_is_granted_no_more_keeps_what_it_has(ten: History) -> None:
    ten.configure(grants=(GrantRule(namespaces=("other",)),))
    made = ten.turn(ALL)
    assert (made.changes, len(ten.names)) == ((), 10)
    assert ten.condition("Accepted") == (
        "False",
        "NotGranted",
        "The grants of company.ts.net do not name this namespace.",
    )


def test_no_slice_joins_the_service_of_a_stranger(ten: History) -> None:
    metadata = {"name": "api", "namespace": "default", "uid": "x"}
    ten.look(ALL)
    made = passed(ten, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}})
    assert made.observed.sync is Sync.SERVICE_CONFLICT
    assert made.observed.detail.startswith("Service")
    assert [(c.kind, c.action) for c in made.changes] == [("EndpointSlice", Action.DELETE)]


def test_hand_made_endpoints_are_seen(ten: History) -> None:
    ten.look(ALL)
    service = own_service(ten)
    assert not passed(ten, service).observed.foreign_endpoints
    assert passed(ten, service, mirrored=True).observed.foreign_endpoints


def test_a_selector_on_our_service_is_seen(ten: History) -> None:
    ten.look(ALL)
    service = own_service(ten)
    service["spec"] = dict(service["spec"]) | {"selector": {"app": "api"}}
    assert passed(ten, service).observed.foreign_endpoints


def test_what_a_pass_would_write_is_counted_where_it_only_observes() -> None:
    made = history()
    observed = made.turn(fleet(1), writes=False).observed
    assert observed.sync is Sync.OBSERVE_ONLY
    assert observed.detail == ("Mode Observe: a pass would create 2 of Service and EndpointSlices.")


def test_slices_are_counted_as_they_are_after_the_pass(ten: History) -> None:
    assert ten.look(ALL).observed.slices == 1
    assert history().turn(fleet(1)).observed.slices == 1


def test_a_write_is_triggered_by_its_list_not_by_its_pass(ten: History) -> None:
    at = ten.now
    made = ten.turn(fleet(*range(1, 12)), after=5 * MINUTE, evidence={"fetched_at": at})
    (change,) = [c for c in made.changes if c.kind == "EndpointSlice"]
    assert change.after is not None
    annotations = change.after["metadata"]["annotations"]
    assert annotations["endpoints.kubernetes.io/last-change-trigger-time"].startswith(
        f"{at:%Y-%m-%dT%H:%M:%S}"
    )
