"""The table of rights, asked about at a real API server as a ServiceAccount that has them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from discovery.clients.errors import TransientError
from discovery.clients.kube.access import (
    PERMISSIONS,
    Permission,
    Scope,
    Use,
    missing,
    needed,
    rules,
)
from discovery.clients.kube.connect import connect
from tests.controlplane.faults import Fault, server_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from tests.controlplane.access import ControlPlane
    from tests.controlplane.proxy import FaultProxy

    Grant = Callable[[Collection[Permission]], Path]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
LEASE = "tailnet-discovery"


@pytest.fixture
def grant(control_plane: ControlPlane, namespace: str) -> Iterator[Grant]:
    """Give a ServiceAccount these rights as a chart would, and return its kubeconfig."""

    def post(path: str, body: dict[str, Any]) -> None:
        control_plane.api.post(path, json=body).raise_for_status()

    def grant(permissions: Collection[Permission]) -> Path:
        account = {"kind": "ServiceAccount", "name": "controller", "namespace": namespace}
        for kind, collection, scope in (
            ("ClusterRole", f"{RBAC}/clusterrole", Scope.WATCHED),
            ("Role", f"{RBAC}/namespaces/{namespace}/role", Scope.OWN),
        ):
            metadata = {"name": namespace}
            role = {"metadata": metadata, "rules": rules(permissions, scope, lease=LEASE)}
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": namespace}
            binding = {"metadata": metadata, "roleRef": reference, "subjects": [account]}
            post(f"{collection}s", role)
            post(f"{collection}bindings", binding)
        return control_plane.service_account(namespace, "controller")

    yield grant
    for collection in ("clusterrolebindings", "clusterroles"):
        control_plane.api.delete(f"{RBAC}/{collection}/{namespace}").raise_for_status()


async def lacking(kubeconfig: Path, namespace: str | None = None) -> tuple[Permission, ...]:
    async with connect(kubeconfig) as client:
        return await missing(client, PERMISSIONS, namespace, lease=LEASE)


async def lacking_in_the_end(
    kubeconfig: Path, expected: tuple[Permission, ...], namespace: str | None = None
) -> tuple[Permission, ...]:
    """Ask until the answer is the expected one: a role works a moment after it was made."""
    found = await lacking(kubeconfig, namespace)
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while found != expected:
                await asyncio.sleep(0.05)
                found = await lacking(kubeconfig, namespace)
    return found


async def test_with_all_rights_none_is_missing(grant: Grant) -> None:
    assert await lacking_in_the_end(grant(PERMISSIONS), ()) == ()


@pytest.mark.parametrize("permission", PERMISSIONS, ids=str)
async def test_a_right_that_is_missing_is_named_and_no_other(
    grant: Grant, permission: Permission
) -> None:
    others = [one for one in PERMISSIONS if one != permission]
    assert await lacking_in_the_end(grant(others), (permission,)) == (permission,)


async def test_without_any_right_all_are_missing(
    control_plane: ControlPlane, namespace: str
) -> None:
    assert await lacking(control_plane.service_account(namespace, "nobody")) == PERMISSIONS


async def test_rights_in_one_namespace_are_enough_where_only_that_one_is_worked_on(
    control_plane: ControlPlane, namespace: str
) -> None:
    account = {"kind": "ServiceAccount", "name": "controller", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "all"}
    granted = rules(PERMISSIONS, Scope.WATCHED) + rules(PERMISSIONS, Scope.OWN, lease=LEASE)
    for collection, body in (
        ("roles", {"rules": granted}),
        ("rolebindings", {"roleRef": reference, "subjects": [account]}),
    ):
        path = f"{RBAC}/namespaces/{namespace}/{collection}"
        control_plane.api.post(path, json={"metadata": {"name": "all"}} | body).raise_for_status()
    kubeconfig = control_plane.service_account(namespace, "controller")
    assert await lacking_in_the_end(kubeconfig, (), namespace) == ()
    assert {one.scope for one in await lacking(kubeconfig)} == {Scope.WATCHED}


async def test_what_was_asked_about_is_said(control_plane: ControlPlane, namespace: str) -> None:
    kubeconfig = control_plane.service_account(namespace, "nobody")
    lines = [str(one) for one in await lacking(kubeconfig, "shop")]
    assert "create endpointslices.discovery.k8s.io in namespace shop (to write the slices)" in lines
    assert f"update leases.coordination.k8s.io in namespace {namespace} (to lead)" in lines


async def test_a_server_that_does_not_answer_proves_nothing(
    fault_proxy: FaultProxy,
) -> None:
    fault_proxy.add(Fault(server_error(), path="/selfsubjectaccessreviews"))
    with pytest.raises(TransientError):
        await lacking(fault_proxy.kubeconfig())


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("create", "create services in all namespaces (to write the Services)"),
        ("get", "get services in all namespaces (to see whose the name of a Service is)"),
    ],
)
def test_a_right_of_the_core_group_is_said_without_one(verb: str, line: str) -> None:
    assert line in {str(one) for one in PERMISSIONS if one.verb == verb}


def test_a_right_on_a_subresource_says_so() -> None:
    assert (
        "patch tailscaleendpoints.gateway.tailscale.com/status in all namespaces "
        "(to report in their status)"
    ) in {str(one) for one in PERMISSIONS}


def test_a_plan_only_reads() -> None:
    assert {one.verb for one in needed(Use.PLAN)} == {"get", "list"}


def test_a_single_pass_follows_nothing() -> None:
    watches = {one for one in PERMISSIONS if one.verb == "watch"}
    assert set(PERMISSIONS) - set(needed(Use.SYNC)) == watches


def test_who_observes_writes_status_lease_and_events_alone() -> None:
    written = {
        (one.resource, one.subresource)
        for one in needed(Use.OBSERVE)
        if one.verb not in {"get", "list", "watch"}
    }
    assert written == {("tailscaleendpoints", "status"), ("leases", ""), ("events", "")}


def test_a_controller_needs_everything() -> None:
    assert needed(Use.RUN) == PERMISSIONS


def test_no_right_is_listed_twice() -> None:
    keys = [(one.group, one.resource, one.subresource, one.verb) for one in PERMISSIONS]
    assert len(set(keys)) == len(keys)


def test_the_rules_of_a_role_are_sorted_and_one_per_kind() -> None:
    assert rules(reversed(PERMISSIONS), Scope.WATCHED) == [
        {
            "apiGroups": [""],
            "resources": ["services"],
            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
        },
        {
            "apiGroups": ["discovery.k8s.io"],
            "resources": ["endpointslices"],
            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
        },
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
        {
            "apiGroups": ["gateway.tailscale.com"],
            "resources": ["tailscaleendpoints"],
            "verbs": ["list", "watch"],
        },
        {
            "apiGroups": ["gateway.tailscale.com"],
            "resources": ["tailscaleendpoints/finalizers"],
            "verbs": ["update"],
        },
        {
            "apiGroups": ["gateway.tailscale.com"],
            "resources": ["tailscaleendpoints/status"],
            "verbs": ["patch"],
        },
    ]


@pytest.mark.parametrize(
    ("lease", "expected"),
    [
        (
            "leader",
            [
                {
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "verbs": ["create"],
                },
                {
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "verbs": ["get", "update"],
                    "resourceNames": ["leader"],
                },
            ],
        ),
        (
            "",
            [
                {
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "verbs": ["create", "get", "update"],
                }
            ],
        ),
    ],
)
def test_a_named_lease_is_a_rule_of_its_own(lease: str, expected: list[object]) -> None:
    assert rules(PERMISSIONS, Scope.OWN, lease=lease) == expected
