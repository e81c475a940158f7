from typing import Any

import pytest

from discovery.plan.owner import Owner, Ownership, slice_ownership

OWNER = Owner("default", "web", "uid-1", "shop", headless=True, instance="main")
MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "tailscale-endpoints.gateway.tailscale.com"}
OURS = {**MANAGED_BY, "gateway.tailscale.com/instance": "main"}
NAMED = {**OURS, "gateway.tailscale.com/endpoints": "web"}
OF_SERVICE = {**OURS, "kubernetes.io/service-name": "shop"}
OTHERS = {**NAMED, "gateway.tailscale.com/instance": "blue"}


def controller(uid: str, kind: str = "TailscaleEndpoints", name: str = "web") -> dict[str, Any]:
    api_version = "gateway.tailscale.com/v1alpha1" if kind == "TailscaleEndpoints" else "apps/v1"
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
    }


NOT_CONTROLLER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "uid": "uid-1"}


@pytest.mark.parametrize(
    ("labels", "references", "expected"),
    [
        (NAMED, [controller("uid-1")], Ownership.OURS),
        ({}, [controller("uid-1")], Ownership.OURS),
        (None, [NOT_CONTROLLER, controller("uid-1")], Ownership.OURS),
        (OTHERS, [controller("uid-1")], Ownership.OTHER_INSTANCE),
        (NAMED, None, Ownership.ADOPTABLE),
        (NAMED, [NOT_CONTROLLER], Ownership.ADOPTABLE),
        (OF_SERVICE, [], Ownership.ADOPTABLE),
        (OURS, [controller("uid-0")], Ownership.ADOPTABLE),
        (OURS, [], Ownership.FOREIGN),
        ({**OURS, "gateway.tailscale.com/endpoints": "api"}, [], Ownership.FOREIGN),
        ({**OURS, "kubernetes.io/service-name": "web"}, [], Ownership.FOREIGN),
        (NAMED, [controller("uid-0", name="api")], Ownership.FOREIGN),
        (NAMED, [controller("uid-0", kind="Deployment")], Ownership.FOREIGN),
        (MANAGED_BY, [controller("uid-0")], Ownership.OTHER_INSTANCE),
        (OTHERS, [], Ownership.OTHER_INSTANCE),
        (OTHERS, [controller("uid-0")], Ownership.OTHER_INSTANCE),
        ({"gateway.tailscale.com/instance": "main"}, [], Ownership.FOREIGN),
        ({}, [controller("uid-0")], Ownership.FOREIGN),
        ({}, [], Ownership.FOREIGN),
    ],
)
def test_ownership_of_a_slice(
    labels: dict[str, str] | None, references: list[dict[str, Any]] | None, expected: Ownership
) -> None:
    metadata = {"name": "x", "labels": labels, "ownerReferences": references}
    assert slice_ownership({"metadata": metadata}, OWNER) is expected


def test_a_slice_of_no_service_is_near_only_by_its_resource() -> None:
    owner = Owner("default", "web", "uid-1", None, headless=False, instance="main")
    assert slice_ownership({"metadata": {"labels": NAMED}}, owner) is Ownership.ADOPTABLE
    assert slice_ownership({"metadata": {"labels": OURS}}, owner) is Ownership.FOREIGN


def test_a_controller_without_uid_is_not_the_owner_of_no_cluster() -> None:
    owner = Owner("default", "web", "", "shop", headless=True, instance="main")
    assert slice_ownership({"metadata": {"labels": {}}}, owner) is Ownership.FOREIGN
    assert slice_ownership({"metadata": {"labels": NAMED}}, owner) is Ownership.ADOPTABLE


def test_slice_labels_name_the_service_and_that_it_is_headless() -> None:
    assert OWNER.slice_labels == {
        "endpointslice.kubernetes.io/managed-by": "tailscale-endpoints.gateway.tailscale.com",
        "gateway.tailscale.com/endpoints": "web",
        "gateway.tailscale.com/instance": "main",
        "kubernetes.io/service-name": "shop",
        "service.kubernetes.io/headless": "",
    }


def test_slices_of_a_cluster_ip_service_lack_the_headless_label() -> None:
    owner = Owner("default", "web", "uid-1", "shop", headless=False, instance="main")
    assert "service.kubernetes.io/headless" not in owner.slice_labels


@pytest.mark.parametrize("headless", [True, False])
def test_slices_of_no_service_carry_neither_its_name_nor_headless(headless: bool) -> None:
    owner = Owner("default", "web", "uid-1", None, headless=headless, instance="main")
    assert sorted(owner.slice_labels) == [
        "endpointslice.kubernetes.io/managed-by",
        "gateway.tailscale.com/endpoints",
        "gateway.tailscale.com/instance",
    ]


def test_a_resource_name_too_long_for_a_label_is_cut_and_told_apart() -> None:
    first = Owner("default", "a" * 39 + "." + "b" * 60, "u", None, headless=True, instance="main")
    second = Owner("default", "a" * 39 + "." + "b" * 61, "u", None, headless=True, instance="main")
    assert first.resource_label == "a" * 39 + "-1a054cb9a0"
    assert first.resource_label != second.resource_label
    assert len(first.resource_label) <= 63


def test_a_resource_name_of_63_characters_is_its_label() -> None:
    owner = Owner("default", "a" * 63, "u", None, headless=True, instance="main")
    assert owner.resource_label == "a" * 63
