"""Objects as users write them, with everything said that a case does not care about."""

from collections.abc import Callable
from typing import Any

import pytest

Object = dict[str, Any]


@pytest.fixture
def endpoint() -> Callable[..., Object]:
    def of(**fields: Any) -> Object:
        return {
            "name": "api-1",
            "tailscaleIP": "100.64.0.10",
            "tailscaleFQDN": "api-1.company.ts.net",
            "port": 8080,
            "protocol": "HTTP",
            **fields,
        }

    return of


@pytest.fixture
def object_of() -> Callable[..., Object]:
    def of(name: str = "api", **spec: Any) -> Object:
        return {
            "apiVersion": "gateway.tailscale.com/v1alpha1",
            "kind": "TailscaleEndpoints",
            "metadata": {"name": name},
            "spec": {"tailnet": "company.ts.net", **spec},
        }

    return of
