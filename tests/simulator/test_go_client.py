"""Tailscale's own Go client, unchanged, against the simulator (built by goclient/build.sh)."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from discovery.simulator import Simulator


@pytest.fixture(scope="session")
def goclient() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    binary = cache / "tailnet-discovery" / "goclient"
    if not binary.exists():
        reason = f"no {binary}: run tests/simulator/goclient/build.sh"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return binary


@pytest.fixture
async def seen(goclient: Path, simulator: Simulator) -> dict[str, Any]:
    """What the Go client saw of the fleet."""
    held = simulator.state.credentials
    process = await asyncio.create_subprocess_exec(
        goclient,
        env={
            "TS_BASE_URL": simulator.url,
            "TS_API_KEY": held.api_key,
            "TS_API_CLIENT_ID": held.client_id,
            "TS_API_CLIENT_SECRET": held.client_secret,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    report: dict[str, Any] = json.loads(out)
    return report


async def test_the_go_client_reads_and_writes_as_with_tailscale(
    seen: dict[str, Any], simulator: Simulator
) -> None:
    listed = [device["name"] for device in simulator.state.devices]
    assert seen.pop("listed") == listed
    created = seen.pop("created")
    assert len(created["addrs"]) == 2
    service = {
        "name": "svc:made-by-go",
        "addrs": created["addrs"],
        "tags": ["tag:service-type-api", "tag:env-production"],
        "annotations": {"owner": "go"},
    }
    assert created == {**service, "ports": ["tcp:443"]}
    assert seen == {
        "filtered": ["api-staging-1.company.ts.net"],
        "routesOfRouter": ["10.20.0.0/16"],
        "byNodeID": "api-1.company.ts.net",
        "byLegacyID": "api-1.company.ts.net",
        "unknownDeviceIsNotFound": True,
        "listedWithOAuth": 26,
        "wrongKey": "API token invalid (401)",
        "wrongSecret": seen["wrongSecret"],
        "services": ["svc:web", "svc:argo", "svc:legacy-tcp", "svc:made-by-go"],
        "updateWithoutAddrs": "when updating a service, addrs must contain 2 elements (400)",
        "updated": {**service, "ports": ["tcp:8443"]},
        "deletedTwiceIsNotFound": True,
        "deletedServiceIsNotFound": True,
    }
    assert "API token invalid" in seen["wrongSecret"]


async def test_a_wrong_secret_is_asked_twice(seen: dict[str, Any], simulator: Simulator) -> None:
    asked = [call for call in simulator.state.calls.latest() if call.path.endswith("/oauth/token")]
    assert [(call.status, call.authorization) for call in asked] == [
        (200, "Basic"),
        (401, "Basic"),
        (401, ""),
    ]
