"""Credentials of a Tailscale-compatible API, and the tokens that some of them are exchanged for."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import msgspec
from cachetools import TLRUCache
from pydantic import SecretStr

from discovery.clients.errors import (
    APIError,
    AuthError,
    TransientError,
)
from discovery.clients.exchange import Answer, Exchange
from discovery.clients.retrying import Patience

_PLACE = "credentials"
_REMEMBERED_TOKENS = 4
_LONGEST_MARGIN = 60.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API access token (``tskey-api-…``), sent as the user of HTTP Basic."""

    key: SecretStr

    def __post_init__(self) -> None:
        key = _usable(self.key.get_secret_value(), "the API key")
        for prefix, kind in (("tskey-auth-", "a device's auth key"), ("tskey-client-", "a client")):
            if key.startswith(prefix):
                raise AuthError(
                    f"the API key is {kind} ({prefix}…), which the API refuses", where=_PLACE
                )


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An OAuth client, exchanged for tokens of an hour."""

    client_id: str
    client_secret: SecretStr

    def __post_init__(self) -> None:
        _usable(self.client_id, "the client ID")
        _usable(self.client_secret.get_secret_value(), "the client secret")


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """A federated identity: a signed token of the platform is exchanged for one of the API.

    ``jwt_file`` is read for each exchange, since the kubelet replaces it before it expires.
    """

    client_id: str
    jwt_file: Path

    def __post_init__(self) -> None:
        _usable(self.client_id, "the client ID")

    def read_jwt(self) -> str:
        """Return the platform's token as it is now."""
        try:
            jwt = self.jwt_file.read_text(encoding="utf-8", errors="replace")
        except OSError as exc:
            raise AuthError(
                f"the identity token can not be read: {exc.strerror}", where=str(self.jwt_file)
            ) from exc
        return _usable(jwt.strip(), f"the identity token in {self.jwt_file}")


Credentials = ApiKey | OAuthClient | WorkloadIdentity


def _usable(secret: str, what: str) -> str:
    """Refuse what no header can carry, before a library quotes it in an error of its own."""
    if not secret:
        raise AuthError(f"{what} is empty", where=_PLACE)
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise AuthError(
            f"{what} holds a space, a line break or another character that no credential has",
            where=_PLACE,
        )
    return secret


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    lifetime: float

    def drops_out(self, _credentials: Credentials, now: float) -> float:
        """Return when to stop using it: a minute early, or a tenth of a short life."""
        return now + self.lifetime - min(_LONGEST_MARGIN, self.lifetime / 10)


class Authorization:
    """The ``Authorization`` header for requests to one control plane.

    ``credentials`` is asked for each header, so that a changed file takes effect at once; it may
    raise AuthError. Tokens are kept per credential, renewed before they expire, and minted once
    however many callers wait for one.
    """

    def __init__(
        self,
        exchange: Exchange,
        base_url: str,
        credentials: Callable[[], Credentials],
        patience: Patience,
    ) -> None:
        self._exchange = exchange
        self._base_url = base_url
        self._credentials = credentials
        self._patience = patience
        self._minting: dict[Credentials, asyncio.Task[_Token]] = {}
        self._tokens: TLRUCache[Credentials, _Token] = TLRUCache(
            maxsize=_REMEMBERED_TOKENS,
            ttu=lambda credentials, token, now: token.drops_out(credentials, now),
            timer=patience.monotonic,
        )

    async def header(self) -> str:
        """Return the header's value, minting a token where none is at hand."""
        credentials = self._credentials()
        if isinstance(credentials, ApiKey):
            pair = f"{credentials.key.get_secret_value()}:".encode("ascii")
            return f"Basic {b64encode(pair).decode('ascii')}"
        token = self._tokens.get(credentials)
        return _bearer(token or await self._shared_mint(credentials))

    async def renewed(self, refused: str) -> str | None:
        """Return another header value after a 401, or None where there is no other to try."""
        for credentials, token in list(self._tokens.items()):
            if _bearer(token) == refused:
                del self._tokens[credentials]
        header = await self.header()
        return None if header == refused else header

    async def _shared_mint(self, credentials: OAuthClient | WorkloadIdentity) -> _Token:
        mint = self._minting.get(credentials)
        if mint is None:
            mint = asyncio.create_task(self._mint(credentials))
            self._minting[credentials] = mint
            mint.add_done_callback(lambda done: self._minted(credentials, done))
        # A caller that is cancelled must not take the token from the others.
        return await asyncio.shield(mint)

    def _minted(self, credentials: Credentials, mint: asyncio.Task[_Token]) -> None:
        del self._minting[credentials]
        # Asking for the exception marks it as seen, should every caller have gone by now.
        if not mint.cancelled() and mint.exception() is None:
            self._tokens[credentials] = mint.result()

    async def _mint(self, credentials: OAuthClient | WorkloadIdentity) -> _Token:
        match credentials:
            case OAuthClient():
                path = "/api/v2/oauth/token"
                form = {
                    "client_id": credentials.client_id,
                    "client_secret": credentials.client_secret.get_secret_value(),
                    "grant_type": "client_credentials",
                }
            case WorkloadIdentity():
                path = "/api/v2/oauth/token-exchange"
                form = {"client_id": credentials.client_id, "jwt": credentials.read_jwt()}
            case _:
                assert_never(credentials)
        limit = self._patience.deadline.total_seconds()
        try:
            async with asyncio.timeout(limit):
                return _token(await self._exchange.post_form(f"{self._base_url}{path}", form))
        except TimeoutError as exc:
            raise TransientError(f"no token within {limit:g} s", where=f"POST {path}") from exc
        except APIError as exc:
            raise _refused(exc) from exc


def _bearer(token: _Token) -> str:
    return f"Bearer {token.value}"


def _refused(error: APIError) -> APIError:
    """Return a token endpoint's refusal as what it means: these credentials do not work."""
    if error.status is None or not 400 <= error.status < 500 or isinstance(error, TransientError):  # noqa: PLR2004 - the class of 4xx
        return error
    message = f"the credentials are refused: {error.message}"
    if error.status == 404:  # noqa: PLR2004 - as the contract writes it
        message = (
            "the control plane knows no such client: a new one answers so for some minutes; "
            f"otherwise the client ID or the base URL is wrong ({error.message})"
        )
    return AuthError(message, where=error.where, status=error.status, request_id=error.request_id)


def _token(answer: Answer) -> _Token:
    """Read a token answer. What is wrong with it is said without quoting any of it."""
    try:
        said = msgspec.json.decode(answer.body, type=_TokenAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        problem = str(exc) if isinstance(exc, msgspec.ValidationError) else "no JSON"
        raise answer.malformed(f"the answer holds no access token ({problem})") from None
    try:
        _usable(said.access_token, "the access token")
    except AuthError as exc:
        raise answer.malformed(exc.message) from None
    if said.token_type.casefold() != "bearer" or said.expires_in <= 0:
        raise answer.malformed("the access token is no bearer token with a lifetime")
    return _Token(said.access_token, float(said.expires_in))
