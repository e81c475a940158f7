import ssl
from collections.abc import Iterator

import httpx
import pytest

from tests.controlplane.access import ControlPlane
from tests.controlplane.proxy import FaultProxy


@pytest.fixture
def client(control_plane: ControlPlane, fault_proxy: FaultProxy) -> Iterator[httpx.Client]:
    """The administrator, through the proxy; what hangs is given up after half a second."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(control_plane.ca)
    with httpx.Client(
        base_url=fault_proxy.url,
        verify=context,
        headers={"Authorization": f"Bearer {control_plane.admin_token}"},
        timeout=0.5,
        trust_env=False,
    ) as admin:
        yield admin
