"""Argo CD's health check of a resource, run by a Lua."""

import re
from pathlib import Path
from typing import Any

import lupa  # type: ignore[import-untyped]
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "gitops.md"


def verdict(resource: dict[str, Any]) -> str:
    """What the page's Lua says of a resource."""
    (script,) = re.findall(r"```lua\n(.*?)```", PAGE.read_text(), re.DOTALL)
    runtime = lupa.LuaRuntime()
    function = runtime.execute(f"return function(obj)\n{script}\nend")
    status: str = function(runtime.table_from(resource, recursive=True))["status"]
    return status


def resource(status: str, reason: str, observed: int = 2) -> dict[str, Any]:
    conditions = [
        {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "Valid."},
        {"type": "Ready", "status": status, "reason": reason, "message": "A message."},
    ]
    said = {"observedGeneration": observed, "conditions": conditions}
    return {"metadata": {"generation": 2}, "status": said}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"metadata": {"generation": 1}}, "Progressing"),
        (resource("True", "EndpointsConfigured", observed=1), "Progressing"),
        (resource("True", "EndpointsConfigured"), "Healthy"),
        (resource("True", "SourceStale"), "Healthy"),
        (resource("False", "NoDeviceList"), "Progressing"),
        (resource("False", "ObserveOnly"), "Suspended"),
        (resource("False", "NoEndpoints"), "Degraded"),
    ],
)
def test_argo_cd_is_told_how_a_resource_is(given: dict[str, Any], expected: str) -> None:
    assert verdict(given) == expected
