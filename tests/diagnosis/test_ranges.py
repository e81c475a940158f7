from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.diagnosis.ranges import SERVICE_CIDRS, Range, check_ranges, uncovered
from tests.controlplane.access import ControlPlane

NODES = "/api/v1/nodes"


def ranges(*networks: str) -> list[Range]:
    return [Range("pods", ip_network(network)) for network in networks]


def exposed(found: list[Range], *denied: str) -> list[str]:
    return [str(one.network) for one in uncovered(found, [ip_network(one) for one in denied])]


@pytest.mark.parametrize("network", ["10.42.0.0/16", "100.128.0.0/16", "fd00:10::/48"])
def test_a_range_outside_of_tailnets_is_no_matter(network: str) -> None:
    assert exposed(ranges(network)) == []


@pytest.mark.parametrize("network", ["100.64.0.0/16", "100.127.255.0/24", "fd7a:115c:a1e0:b::/64"])
def test_a_range_within_a_tailnets_is_exposed(network: str) -> None:
    assert exposed(ranges(network)) == [network]


def test_only_the_part_within_a_tailnets_range_counts() -> None:
    assert exposed(ranges("100.0.0.0/8")) == ["100.64.0.0/10"]


@pytest.mark.parametrize(
    "denied",
    [["100.64.0.0/16"], ["100.64.0.0/10"], ["100.64.0.0/17", "100.64.128.0/17"]],
)
def test_a_denied_range_is_not_exposed(denied: list[str]) -> None:
    assert exposed(ranges("100.64.0.0/16"), *denied) == []


@pytest.mark.parametrize("denied", [["100.64.0.0/17"], ["100.65.0.0/16"], ["fd7a:115c::/32"]])
def test_a_range_that_is_not_wholly_denied_is_exposed(denied: list[str]) -> None:
    assert exposed(ranges("100.64.0.0/16"), *denied) == ["100.64.0.0/16"]


def test_ranges_are_sorted_and_told_once() -> None:
    found = ranges("100.66.0.0/16", "fd7a:115c:a1e0:b::/64", "100.65.0.0/16", "100.66.0.0/16")

    assert exposed(found) == ["100.65.0.0/16", "100.66.0.0/16", "fd7a:115c:a1e0:b::/64"]


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    async with connect(control_plane.kubeconfig()) as client:
        yield client


@pytest.fixture
def node(control_plane: ControlPlane) -> Iterator[dict[str, Any]]:
    """A node whose pods and address lie in the tailnets' range."""
    created = {
        "metadata": {"name": "node-of-doctor"},
        "spec": {"podCIDRs": ["100.70.1.0/24"], "podCIDR": "100.70.1.0/24"},
    }
    control_plane.api.post(NODES, json=created).raise_for_status()
    addresses = [
        {"type": "InternalIP", "address": "100.71.0.9"},
        {"type": "Hostname", "address": "100.72.0.9"},
    ]
    control_plane.api.patch(
        f"{NODES}/node-of-doctor/status",
        json={"status": {"addresses": addresses}},
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    yield created
    control_plane.api.delete(f"{NODES}/node-of-doctor").raise_for_status()


async def test_pods_and_nodes_within_a_tailnets_range_are_a_warning(
    admin: KubeClient, node: dict[str, Any]
) -> None:
    check = await check_ranges(admin, [])

    assert (check.result, check.detail) == (
        "warning",
        (
            "within the tailnet's ranges: 100.70.1.0/24 (pods of node-of-doctor), "
            "100.71.0.9/32 (node node-of-doctor). Add them to deniedCIDRs, so that no endpoint "
            "is taken for a machine of a tailnet."
        ),
    )


async def test_denied_ranges_are_fine(
    admin: KubeClient, node: dict[str, Any], control_plane: ControlPlane
) -> None:
    denied = [ip_network("100.70.0.0/15")]
    # Kubernetes 1.32 does not serve them yet.
    has_service_cidrs = control_plane.api.get(SERVICE_CIDRS.path()).is_success

    check = await check_ranges(admin, denied)

    assert check.result == ("ok" if has_service_cidrs else "skipped")
    assert check.detail.endswith(
        "compared, none is open to tailnet addresses"
        if has_service_cidrs
        else "the server has no servicecidrs"
    )


async def test_what_may_not_be_read_is_skipped_and_names_the_right(
    control_plane: ControlPlane,
) -> None:
    async with connect(control_plane.kubeconfig("nobody")) as client:
        check = await check_ranges(client, [])

    assert check.result == "skipped"
    assert "the right to list servicecidrs is needed" in check.detail
    assert "the right to list nodes is needed" in check.detail
