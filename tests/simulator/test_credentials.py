import httpx
import pytest

from discovery.simulator import SimulatorState

LIST = "/tailnet/-/devices"
TOKEN = "/oauth/token"
INVALID = (401, {"message": "API token invalid"})
NO_RIGHT = "calling actor does not have enough permissions to perform this function"


def told(answer: httpx.Response) -> tuple[int, object]:
    return answer.status_code, answer.json()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def minted(anyone: httpx.AsyncClient, state: SimulatorState, scope: str = "") -> str:
    held = state.credentials
    form = {"client_id": held.client_id, "client_secret": held.client_secret, "scope": scope}
    token: str = (await anyone.post(TOKEN, data=form)).json()["access_token"]
    return token


async def test_an_api_key_is_taken_as_basic_and_as_bearer(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    key = state.credentials.api_key
    assert (await anyone.get(LIST, auth=(key, ""))).status_code == 200
    assert (await anyone.get(LIST, headers=bearer(key))).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", "Basic", "Basic !", "Basic d3Jvbmc6", "Digest x", "wrong"],
)
async def test_any_other_credential_is_invalid(
    anyone: httpx.AsyncClient, authorization: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for path in (LIST, "/device/n1", "/tailnet/-/services", "/tailnet/-/webhooks"):
        assert told(await anyone.get(path, headers=headers)) == INVALID


async def test_a_key_as_the_password_is_invalid(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    assert told(await anyone.get(LIST, auth=("", state.credentials.api_key))) == INVALID


async def test_client_credentials_are_taken_as_form(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    held = state.credentials
    form = {"client_id": held.client_id, "client_secret": held.client_secret}
    answer = await anyone.post(TOKEN, data=form)
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (await anyone.get(LIST, headers=bearer(body.pop("access_token")))).status_code == 200
    assert body == {"token_type": "Bearer", "expires_in": 3600, "scope": "all"}


async def test_client_credentials_are_taken_as_url_escaped_basic(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.credentials.client_id = "id with:colon"
    auth = ("id+with%3Acolon", state.credentials.client_secret)
    answer = await anyone.post(TOKEN, data={"grant_type": "client_credentials"}, auth=auth)
    assert answer.status_code == 200


async def test_a_token_is_taken_as_basic_too(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    token = await minted(anyone, state)
    assert (await anyone.get(LIST, auth=(token, ""))).status_code == 200


async def test_wrong_client_credentials_are_invalid(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    held = state.credentials
    form = {"client_id": held.client_id, "client_secret": "wrong"}
    assert told(await anyone.post(TOKEN, data=form)) == INVALID
    assert told(await anyone.post(TOKEN, auth=(held.client_id, "wrong"))) == INVALID
    right = {"client_id": held.client_id, "client_secret": held.client_secret}
    assert told(await anyone.post(TOKEN, json=right)) == INVALID


async def test_another_grant_type_is_refused(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    auth = (state.credentials.client_id, state.credentials.client_secret)
    answer = await anyone.post(TOKEN, data={"grant_type": "password"}, auth=auth)
    assert told(answer) == (400, {"message": "invalid request"})


async def test_a_token_expires_by_the_simulators_clock(
    anyone: httpx.AsyncClient, control: httpx.AsyncClient, state: SimulatorState
) -> None:
    headers = bearer(await minted(anyone, state))
    await control.post("clock", json={"advance": 3590})
    assert (await anyone.get(LIST, headers=headers)).status_code == 200
    await control.post("clock", json={"advance": 11})
    assert told(await anyone.get(LIST, headers=headers)) == INVALID


async def test_the_lifetime_of_a_token_can_be_set(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.credentials.lifetime = 60
    headers = bearer(await minted(anyone, state))
    state.clock.advance(61)
    assert told(await anyone.get(LIST, headers=headers)) == INVALID


async def test_an_identity_token_is_exchanged(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    held = state.credentials
    form = {"client_id": held.client_id, "jwt": held.identity_token}
    body = (await anyone.post("/oauth/token-exchange", data=form)).json()
    assert body["expires_in"] == 3600
    answer = await anyone.get(LIST, headers=bearer(body["access_token"]))
    assert answer.status_code == 200


@pytest.mark.parametrize("form", [{}, {"client_id": "other", "jwt": "x"}, {"jwt": "x"}])
async def test_an_exchange_for_an_unknown_client_is_invalid(
    anyone: httpx.AsyncClient, form: dict[str, str]
) -> None:
    answer = await anyone.post("/oauth/token-exchange", data=form)
    assert told(answer) == (400, {"message": "invalid request"})


async def test_an_identity_token_that_is_not_trusted_is_forbidden(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    form = {"client_id": state.credentials.client_id, "jwt": "a.b.c"}
    assert (await anyone.post("/oauth/token-exchange", data=form)).status_code == 403


async def test_a_missing_scope_is_forbidden_on_devices_and_not_found_elsewhere(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    headers = bearer(await minted(anyone, state, "dns:read"))
    for path in (LIST, "/device/n1"):
        assert told(await anyone.get(path, headers=headers)) == (403, {"message": NO_RIGHT})
    for path in ("services", "vip-services", "services/svc:web", "webhooks"):
        answer = await anyone.get(f"/tailnet/-/{path}", headers=headers)
        assert told(answer) == (404, {"message": "not found"})


@pytest.mark.parametrize(
    ("scopes", "devices", "services", "write", "hosts"),
    [
        ("devices:core:read", 200, 404, 404, 404),
        ("devices:core", 200, 404, 404, 404),
        ("services:read", 403, 200, 404, 404),
        ("services", 403, 200, 200, 404),
        ("services devices:core", 200, 200, 200, 200),
        ("services devices:core:read", 200, 200, 200, 404),
        ("all:read", 200, 200, 404, 404),
        ("all", 200, 200, 200, 200),
    ],
)
async def test_each_call_needs_its_scopes(  # noqa: PLR0913, PLR0917
    anyone: httpx.AsyncClient,
    state: SimulatorState,
    scopes: str,
    devices: int,
    services: int,
    write: int,
    hosts: int,
) -> None:
    anyone.headers.update(bearer(await minted(anyone, state, scopes)))
    assert (await anyone.get(LIST)).status_code == devices
    assert (await anyone.get("/tailnet/-/services")).status_code == services
    body = {"name": "svc:new", "ports": ["tcp:1"]}
    assert (await anyone.put("/tailnet/-/services/svc:new", json=body)).status_code == write
    assert (await anyone.get("/tailnet/-/services/svc:web/devices")).status_code == hosts


async def test_a_token_keeps_the_scopes_it_was_issued_with(
    anyone: httpx.AsyncClient, control: httpx.AsyncClient, state: SimulatorState
) -> None:
    old = bearer(await minted(anyone, state))
    await control.put("oauth", json={"scopes": ["services:read"]})
    assert (await anyone.get(LIST, headers=old)).status_code == 200
    new = bearer(await minted(anyone, state))
    assert (await anyone.get(LIST, headers=new)).status_code == 403


async def test_a_scope_that_the_client_lacks_is_not_given(
    anyone: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.credentials.scopes = frozenset({"services"})
    auth = (state.credentials.client_id, state.credentials.client_secret)
    refused = await anyone.post(TOKEN, data={"scope": "services devices:core"}, auth=auth)
    assert told(refused) == (403, {"message": NO_RIGHT})
    narrowed = await anyone.post(TOKEN, data={"scope": "services:read"}, auth=auth)
    assert narrowed.json()["scope"] == "services:read"
