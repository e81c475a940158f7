import pytest

from discovery.clients.kube.resources import (
    ACCESS_REVIEWS,
    CRDS,
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    NAMESPACES,
    SERVICES,
    TAILSCALE_ENDPOINTS,
    Resource,
)
from tests.controlplane.access import ControlPlane


def test_the_core_group_is_under_api() -> None:
    assert SERVICES.path("shop", "web") == "/api/v1/namespaces/shop/services/web"
    assert SERVICES.api_version == "v1"


def test_any_other_group_is_under_apis() -> None:
    path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
    assert ENDPOINT_SLICES.path("shop") == path
    assert ENDPOINT_SLICES.api_version == "discovery.k8s.io/v1"


def test_without_a_namespace_it_is_the_path_of_all() -> None:
    assert TAILSCALE_ENDPOINTS.path() == "/apis/gateway.tailscale.com/v1alpha1/tailscaleendpoints"
    assert NAMESPACES.path(None, "kube-system") == "/api/v1/namespaces/kube-system"


def test_a_subresource_comes_last() -> None:
    assert TAILSCALE_ENDPOINTS.path("shop", "web", "status").endswith("/web/status")


def test_a_name_can_not_leave_its_place_in_the_path() -> None:
    assert SERVICES.path("a/b", "../x?y") == "/api/v1/namespaces/a%2Fb/services/..%2Fx%3Fy"


@pytest.mark.parametrize(
    "resource",
    [
        TAILSCALE_ENDPOINTS,
        ENDPOINT_SLICES,
        SERVICES,
        NAMESPACES,
        LEASES,
        EVENTS,
        CRDS,
        ACCESS_REVIEWS,
    ],
    ids=lambda resource: resource.plural,
)
def test_the_api_server_knows_the_kind(control_plane: ControlPlane, resource: Resource) -> None:
    version = resource.path().rpartition("/")[0]
    served = control_plane.api.get(version).raise_for_status().json()["resources"]

    kinds = {entry["name"]: entry["kind"] for entry in served}
    assert kinds[resource.plural] == resource.kind
