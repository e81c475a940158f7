"""No error shows a credential, whatever the server repeats and wherever it fails."""

import asyncio
import base64
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from pydantic import SecretStr

from discovery.clients.errors import APIError
from discovery.clients.tailscale import TailscaleClient
from discovery.settings.credentials import ApiKey, Credentials, OAuthClient, WorkloadIdentity
from tests.clients.conftest import Asked, Connect, Script, ScriptedServer, Then, answer

# None is shaped like a credential: only that it was sent tells that it is one.
API_KEY = "0penSesame/key+of=another~plane"
CLIENT_SECRET = "0penSesame/secret+of=a~client"
TOKEN = "0penSesame.token-of-an_hour"
JWT = "0penSesame.platform.token"
SECRETS = [
    form
    for secret in (API_KEY, CLIENT_SECRET, TOKEN, JWT)
    for form in (
        secret,
        quote_plus(secret),
        base64.b64encode(f"{secret}:".encode()).decode(),
        secret[:12],
    )
]


def echo(asked: Asked) -> str:
    """Return all that a request said, as a debugging proxy would."""
    return f"{asked.method} {asked.target} {asked.headers} {asked.body.decode()}"


def echoes(status: int) -> Iterator[Script]:
    """Answer a status with the request repeated, in each place that a message may come from."""
    yield lambda asked: answer(echo(asked).encode(), status, {"Retry-After": "99"})
    yield lambda asked: answer(
        b'{"message": "%s"}' % echo(asked).replace('"', "'").encode(), status, {}
    )
    yield lambda asked: answer(
        b'{"error": "%s"}' % echo(asked).replace('"', "'").encode(), status, {}
    )
    yield lambda asked: answer(b"x" * 240 + echo(asked).encode(), status, {})
    yield lambda asked: answer(b"x" * 65_300 + echo(asked).encode(), status, {})
    yield lambda asked: answer(b"", status, {"X-Tailscale-Request-Id": echo(asked)})
    yield lambda asked: answer(b"", status, {"Location": f"/{quote_plus(echo(asked))}"})
    yield lambda asked: f"HTTP/1.1 {status} {echo(asked)}\r\nContent-Length: 0\r\n\r\n".encode()
    yield lambda asked: f"HTTP/1.1 {status} OK\r\n{echo(asked)}\r\n\r\n".encode()
    yield lambda asked: echo(asked).encode()


SCRIPTS = [script for status in (200, 204, 307, 400, 401, 403, 404, 409, 429, 500, 502)
           for script in echoes(status)]  # fmt: skip


def shown(error: BaseException | None) -> Iterator[str]:
    """Return every text that a log line or a traceback could take from an error."""
    seen: list[BaseException] = []
    while error is not None:
        assert error not in seen, "an error is its own cause"
        seen.append(error)
        yield from (str(error), repr(error), repr(error.args))
        if isinstance(error, APIError):
            yield repr(vars(error))
        error = error.__cause__ or error.__context__


async def expose(client: TailscaleClient) -> str:
    try:
        await client.devices()
    except APIError as error:
        return "\n".join([*shown(error), *traceback.format_exception(error)])
    return ""


def assert_clean(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], text


@pytest.fixture
def every(tmp_path: Path) -> dict[str, Credentials]:
    (tmp_path / "jwt").write_text(JWT)
    return {
        "api_key": ApiKey(SecretStr(API_KEY)),
        "oauth": OAuthClient("kX", SecretStr(CLIENT_SECRET)),
        "workload": WorkloadIdentity("kX", tmp_path / "jwt"),
    }


@pytest.mark.parametrize("kind", ["api_key", "oauth", "workload"])
async def test_no_error_of_the_first_request_shows_a_secret(
    connect: Connect, every: dict[str, Credentials], server: ScriptedServer, kind: str
) -> None:
    for script in SCRIPTS:
        server.forget()
        server.say_raw(script)
        text = await expose(connect(every[kind]))
        assert text
        assert_clean(text)


@pytest.mark.parametrize("kind", ["oauth", "workload"])
async def test_no_error_after_a_mint_shows_the_token(
    connect: Connect, every: dict[str, Credentials], server: ScriptedServer, kind: str
) -> None:
    for script in SCRIPTS:
        server.forget()
        server.say_token(TOKEN)
        server.say_raw(script)
        text = await expose(connect(every[kind]))
        assert text
        assert_clean(text)


async def test_no_error_of_a_broken_connection_shows_a_secret(
    connect: Connect, every: dict[str, Credentials], server: ScriptedServer
) -> None:
    for then in (Then.CLOSE, Then.RESET):
        server.forget()
        server.say_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", then)
        assert_clean(await expose(connect(every["oauth"])))


def break_line(secret: str) -> str:
    return f"{secret}\r\nX-Header: {secret}"


@pytest.mark.parametrize("spoil", [break_line, lambda secret: f"{secret}\u00e9", lambda s: f" {s}"])
async def test_a_secret_that_no_header_can_carry_is_not_shown(
    connect: Connect, tmp_path: Path, server: ScriptedServer, spoil: Callable[[str], str]
) -> None:
    await asyncio.to_thread((tmp_path / "jwt").write_text, spoil(JWT), encoding="utf-8")
    server.say_token(spoil(TOKEN))
    for credentials in (
        OAuthClient("kX", SecretStr(CLIENT_SECRET)),
        ApiKey(SecretStr(spoil(API_KEY))),
        WorkloadIdentity("kX", tmp_path / "jwt"),
    ):
        text = await expose(connect(credentials))
        assert text
        assert_clean(text)


def test_credentials_and_client_hide_them_in_their_own_texts(
    connect: Connect, every: dict[str, Credentials]
) -> None:
    for credentials in every.values():
        client = connect(credentials)
        assert_clean(f"{credentials!r} {credentials} {client!r} {vars(client)}")
