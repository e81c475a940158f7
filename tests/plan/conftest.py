"""Resources and devices as users and control planes write them, and passes over them."""

from typing import Any

import pytest

from discovery.plan.endpoints import Resolution
from discovery.plan.observed import Observed, Sync
from discovery.plan.policy import TailnetPolicy
from discovery.plan.resolve import Candidates, resolve
from discovery.plan.trust import Freshness
from discovery.tailnet import Device
from discovery.v1alpha1 import TailscaleEndpoints, TailscaleEndpointsStatus


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

    def resolved(self, resource: TailscaleEndpoints, *devices: Device) -> Resolution:
        """Return what the resource comes to where its selectors match these devices."""
        return resolve(resource, Candidates(devices), TailnetPolicy("company.ts.net"))

    def synced(self, resolution: Resolution, **more: Any) -> Observed:
        """Return what a pass saw that wrote everything into one slice, from a verified list."""
        fresh = Freshness(fresh=True, reason="Verified", message="Verified.")
        fields: dict[str, Any] = {"freshness": fresh, "sync": Sync.SYNCED, "slices": 1}
        return Observed(resolution=resolution, **(fields | more))

    def with_status(
        self, resource: TailscaleEndpoints, status: TailscaleEndpointsStatus
    ) -> TailscaleEndpoints:
        """Return the resource as the next pass reads it."""
        return resource.model_copy(update={"status": status})

    def with_verdicts(
        self, status: TailscaleEndpointsStatus, **verdicts: str
    ) -> TailscaleEndpointsStatus:
        """Give entries a verdict, as a prober would, by the name with ``_`` for ``-``."""
        document = status.model_dump(by_alias=True)
        for entry in document["endpoints"]:
            entry["status"] = verdicts.get(entry["name"].replace("-", "_"), entry["status"])
        return TailscaleEndpointsStatus.model_validate(document)

    def said(self, status: TailscaleEndpointsStatus, condition: str) -> tuple[str, str]:
        """Return the status and the reason of the one condition of this type."""
        (found,) = [c for c in status.conditions if c.type == condition]
        return found.status, found.reason

    def message(self, status: TailscaleEndpointsStatus, condition: str) -> str:
        """Return the sentence of a condition."""
        return next(c.message for c in status.conditions if c.type == condition)


@pytest.fixture(name="make", scope="session")
def make_values() -> Make:
    return Make()
