"""Resources and devices in the forms in which users and control planes write them."""

from typing import Any

import pytest

from discovery.tailnet import Device
from discovery.v1alpha1 import TailscaleEndpoints


class Make:
    """Builds values with everything said that a case does not care about."""

    def resource(self, namespace: str = "default", **spec: Any) -> TailscaleEndpoints:
        """Return a resource named ``api`` with this spec; without any, it selects production."""
        if not {"endpoints", "tagSelectors", "tagSelectorTerms"} & spec.keys():
            spec["tagSelectors"] = [{"key": "env", "operator": "In", "values": ["production"]}]
        return TailscaleEndpoints.model_validate(
            {
                "apiVersion": "gateway.tailscale.com/v1alpha1",
                "kind": "TailscaleEndpoints",
                "metadata": {
                    "name": "api",
                    "namespace": namespace,
                    "uid": "0f6f6a52",
                    "generation": 3,
                },
                "spec": {"tailnet": "company.ts.net", **spec},
            }
        )

    def static(self, name: str, ip: str, port: int, **more: Any) -> dict[str, Any]:
        """Return a static endpoint as a manifest has it."""
        fqdn = f"{name}.company.ts.net"
        protocol = more.pop("protocol", "HTTP")
        return {
            "name": name,
            "tailscaleIP": ip,
            "tailscaleFQDN": fqdn,
            "port": port,
            "protocol": protocol,
            **more,
        }

    def device(self, number: int, *tags: str, **fields: Any) -> Device:
        """Return an eligible device ``api-NUMBER`` with addresses of both families."""
        values: dict[str, Any] = {
            "node_id": f"n{number}",
            "name": f"api-{number}.company.ts.net",
            "addresses": (f"100.64.0.{number}", f"fd7a:115c:a1e0::{number:x}"),
            "tags": tags or ("tag:env-production",),
        }
        return Device(**(values | fields))


@pytest.fixture(name="make")
def make_values() -> Make:
    return Make()
