from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from tests.controlplane.access import ControlPlane

Post = Callable[[Mapping[str, Any]], httpx.Response]


@pytest.fixture
def create(control_plane: ControlPlane, namespace: str) -> Post:
    """Create a TailscaleEndpoints in the test's own namespace."""
    return lambda raw: _post(control_plane, raw, namespace)


@pytest.fixture
def try_out(control_plane: ControlPlane) -> Post:
    """Ask what creating a TailscaleEndpoints would answer, and create nothing."""
    return lambda raw: _post(control_plane, raw, "default", dryRun="All")


def _post(
    server: ControlPlane, raw: Mapping[str, Any], namespace: str, **query: str
) -> httpx.Response:
    """Send it; an unknown field is a warning, as with kubectl."""
    path = f"/apis/gateway.tailscale.com/v1alpha1/namespaces/{namespace}/tailscaleendpoints"
    body = {**raw, "metadata": {**raw["metadata"], "namespace": namespace}}
    return server.api.post(path, params={"fieldValidation": "Warn", **query}, json=body)
