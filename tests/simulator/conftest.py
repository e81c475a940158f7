import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from discovery.simulator import Simulator, SimulatorState, read_devices, read_services

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "fixtures" / "tailnet"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # else each client loads the system's certificates


@pytest.fixture
def state() -> SimulatorState:
    """The fleet of fixtures/tailnet, and a policy that knows tag:extra besides."""
    return SimulatorState(
        "company.ts.net",
        devices=read_devices(FLEET / "devices.json"),
        services=read_services(FLEET / "services.json"),
        tags=["tag:extra"],
    )


@pytest.fixture
async def simulator(state: SimulatorState) -> AsyncIterator[Simulator]:
    async with Simulator(state) as running:
        yield running


@pytest.fixture
async def api(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API with the API key, as Tailscale's own client sends it."""
    key = simulator.state.credentials.api_key
    async with httpx.AsyncClient(
        base_url=f"{simulator.url}/api/v2", auth=(key, ""), verify=NO_TLS
    ) as client:
        yield client


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{simulator.url}/simulator", verify=NO_TLS) as client:
        yield client


@pytest.fixture
async def anyone(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a credential."""
    async with httpx.AsyncClient(base_url=f"{simulator.url}/api/v2", verify=NO_TLS) as client:
        yield client


@pytest.fixture(scope="session")
def published() -> dict[str, object]:
    """Tailscale's OpenAPI document, where it lies beside the project."""
    found = sorted((ROOT.parent / "shared" / "contract").glob("tailscale-openapi-*.json"))
    if not found:
        pytest.skip("Tailscale's OpenAPI document is not beside the project")
    document: dict[str, object] = json.loads(found[-1].read_text())
    return document
