"""Objects as users write them, with everything said that a case does not care about."""

from typing import Any


def endpoint(**fields: Any) -> dict[str, Any]:
    """Return an endpoint in which these fields are as said."""
    return {
        "name": "api-1",
        "tailscaleIP": "100.64.0.10",
        "tailscaleFQDN": "api-1.company.ts.net",
        "port": 8080,
        "protocol": "HTTP",
        **fields,
    }


def object_of(name: str = "api", **spec: Any) -> dict[str, Any]:
    """Return a TailscaleEndpoints with this spec, which must name a source."""
    return {
        "apiVersion": "gateway.tailscale.com/v1alpha1",
        "kind": "TailscaleEndpoints",
        "metadata": {"name": name},
        "spec": {"tailnet": "company.ts.net", **spec},
    }
