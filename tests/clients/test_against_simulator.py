"""The client and the simulator were written apart, from the same contract: do they agree?"""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from discovery.clients.errors import AuthError, MalformedAnswerError, NotFoundError, TransientError
from discovery.clients.exchange import new_http
from discovery.clients.tailscale import TailscaleClient
from discovery.settings.credentials import ApiKey, Credentials, OAuthClient, WorkloadIdentity
from discovery.simulator import Simulator, SimulatorState, read_devices, read_services
from tests.clients.conftest import Clock

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet"
LIST = "GET /api/v2/tailnet/{tailnet}/devices"
MINT = "POST /api/v2/oauth/token"
EXCHANGE = "POST /api/v2/oauth/token-exchange"


@dataclass
class Tailnet:
    """A running simulator, and a client of it."""

    state: SimulatorState
    client: TailscaleClient
    clock: Clock

    def pass_time(self, seconds: float) -> None:
        self.state.clock.advance(seconds)
        self.clock.seconds += seconds


@pytest.fixture(params=["api_key", "oauth", "workload"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def state() -> SimulatorState:
    return SimulatorState(
        devices=read_devices(FLEET / "devices.json"),
        services=read_services(FLEET / "services.json"),
    )


@pytest.fixture
async def tailnet(
    state: SimulatorState, kind: str, tls: ssl.SSLContext, clock: Clock, tmp_path: Path
) -> AsyncIterator[Tailnet]:
    held = state.credentials
    jwt = tmp_path / "jwt"
    jwt.write_text(held.identity_token)
    credentials: dict[str, Credentials] = {
        "api_key": ApiKey(SecretStr(held.api_key)),
        "oauth": OAuthClient(held.client_id, SecretStr(held.client_secret)),
        "workload": WorkloadIdentity(held.client_id, jwt),
    }
    async with Simulator(state) as simulator, new_http(tls) as http:
        client = TailscaleClient(
            http,
            lambda: credentials[kind],
            base_url=simulator.url,
            patience=clock.patience(),
        )
        yield Tailnet(state, client, clock)


async def test_all_devices_are_read(tailnet: Tailnet) -> None:
    listed = await tailnet.client.devices()
    assert [device.node_id for device in listed.devices] == [
        device["nodeId"] for device in tailnet.state.devices
    ]
    assert listed.unknown == ()


async def test_one_device_is_read_as_in_the_list(tailnet: Tailnet) -> None:
    listed = await tailnet.client.devices()
    for device in listed.devices:
        assert await tailnet.client.device(device.node_id) == device


async def test_a_device_that_is_gone_is_not_found(tailnet: Tailnet) -> None:
    with pytest.raises(NotFoundError):
        await tailnet.client.device("nGONE")


async def test_all_services_are_read(tailnet: Tailnet) -> None:
    services = await tailnet.client.services()
    listed = tailnet.state.services.listed()
    assert [service.name for service in services] == sorted(one["name"] for one in listed)
    assert services[0].annotations


async def test_polls_share_a_token_until_it_ends(tailnet: Tailnet, kind: str) -> None:
    for _ in range(3):
        await tailnet.client.devices()
    tailnet.pass_time(3600)
    await tailnet.client.devices()
    calls = tailnet.state.calls
    mints = calls.count(MINT) + calls.count(EXCHANGE)
    assert mints == (0 if kind == "api_key" else 2)
    assert {call.status for call in calls.latest()} == {200}


@pytest.mark.parametrize("kind", ["oauth", "workload"])
async def test_a_token_that_ends_early_is_minted_anew(tailnet: Tailnet) -> None:
    await tailnet.client.devices()
    tailnet.state.credentials.tokens.clear()
    await tailnet.client.devices()
    assert [call.status for call in tailnet.state.calls.latest()] == [200, 200, 401, 200, 200]


@pytest.mark.parametrize("kind", ["oauth"])
async def test_a_missing_scope_is_named(tailnet: Tailnet) -> None:
    tailnet.state.credentials.scopes = frozenset({"users:read"})
    with pytest.raises(AuthError) as devices:
        await tailnet.client.devices()
    assert devices.value.status == 403
    with pytest.raises(AuthError, match="services:read"):
        await tailnet.client.services()


@pytest.mark.parametrize("kind", ["api_key"])
@pytest.mark.parametrize("fault", ["429:2x2", "503x2", "html:502x2", "dropx2", "truncatedx2"])
async def test_a_bad_moment_is_outlasted(tailnet: Tailnet, fault: str) -> None:
    tailnet.state.faults.add(fault)
    assert len((await tailnet.client.devices()).devices) == len(tailnet.state.devices)
    assert tailnet.state.calls.count(LIST) == 3


@pytest.mark.parametrize("kind", ["api_key"])
async def test_a_bad_hour_is_transient(tailnet: Tailnet) -> None:
    tailnet.state.faults.add("504")
    with pytest.raises(TransientError):
        await tailnet.client.devices()


@pytest.mark.parametrize("kind", ["api_key"])
@pytest.mark.parametrize(
    "fault",
    ["html:200", "html:404", "redirect:https://elsewhere.example/", "body:null", "body:{}",
     'body:{"devices":null}', "300", "304", "oversized:70000000"],
)  # fmt: skip
async def test_what_is_not_the_contract_is_malformed(tailnet: Tailnet, fault: str) -> None:
    tailnet.state.faults.add(fault)
    with pytest.raises(MalformedAnswerError):
        await tailnet.client.devices()
    assert tailnet.state.calls.count(LIST) == 1


@pytest.mark.parametrize("kind", ["api_key"])
@pytest.mark.parametrize("what", ["addresses", "id", "entry"])
async def test_one_malformed_device_is_unknown(tailnet: Tailnet, what: str) -> None:
    tailnet.state.faults.add(f"malformed:{what}")
    listed = await tailnet.client.devices()
    assert [one.position for one in listed.unknown] == [0]
    assert len(listed.devices) == len(tailnet.state.devices) - 1


@pytest.mark.parametrize(
    "credentials",
    [ApiKey(SecretStr("an-other-key")), OAuthClient("kX", SecretStr("an-other-secret"))],
    ids=["api_key", "oauth"],
)
async def test_credentials_nobody_knows_are_refused(
    state: SimulatorState, http: httpx.AsyncClient, credentials: Credentials
) -> None:
    async with Simulator(state) as simulator:
        client = TailscaleClient(http, lambda: credentials, base_url=simulator.url)
        with pytest.raises(AuthError, match="API token invalid"):
            await client.devices()
