"""The Authorization header of a Tailscale-compatible API, and the tokens that it may need."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from cachetools import TLRUCache

from discovery.clients.devices import UNREADABLE
from discovery.clients.errors import APIError, AuthError, TransientError
from discovery.clients.exchange import Answer, Exchange
from discovery.clients.retrying import Patience
from discovery.settings.credentials import ApiKey, Credentials, OAuthClient, WorkloadIdentity
from discovery.settings.errors import ConfigError

_REMEMBERED_TOKENS: Final = 4
_LONGEST_MARGIN: Final = 60.0  # seconds
_MISTAKEN_KEYS: Final = {
    "tskey-auth-": "it is a key that adds devices",
    "tskey-client-": "it is the secret of an OAuth client",
}


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    lifetime: float

    def drops_out(self, now: float) -> float:
        """Return when to stop using it: a minute early, or a tenth of a short life."""
        return now + self.lifetime - min(_LONGEST_MARGIN, self.lifetime / 10)


class Authorization:
    """The ``Authorization`` header for requests to one control plane.

    ``credentials`` is asked for each header, so that a changed file takes effect at once; it may
    raise ConfigError. Tokens are kept per credential, renewed before they expire, and minted once
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
            ttu=lambda _credentials, token, now: token.drops_out(now),
            timer=patience.monotonic,
        )

    async def header(self) -> str:
        """Return the header's value, minting a token where none is at hand.

        Credentials that are refused while others take their place are followed by those at once.
        Raises AuthError for credentials that can not be read or can not be right.
        """
        credentials = self._current()
        try:
            return await self._header_of(credentials)
        except AuthError:
            replaced = self._current()
            if replaced == credentials:
                raise
        return await self._header_of(replaced)

    async def renewed(self, refused: str) -> str | None:
        """Return another header value after a 401, or None where there is no other to try."""
        for credentials, token in list(self._tokens.items()):
            if _bearer(token) == refused:
                del self._tokens[credentials]
        header = await self.header()
        return None if header == refused else header

    def _current(self) -> Credentials:
        try:
            try:
                return self._credentials()
            except ConfigError:
                # A folder that is just being exchanged is whole at the second look.
                return self._credentials()
        except ConfigError as exc:
            raise AuthError(str(exc), where="credentials") from exc

    async def _header_of(self, credentials: Credentials) -> str:
        if isinstance(credentials, ApiKey):
            return _basic(credentials.key.get_secret_value())
        token = self._tokens.get(credentials)
        return _bearer(token or await self._shared_mint(credentials))

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
        path, form = _request(credentials)
        limit = self._patience.deadline.total_seconds()
        try:
            async with asyncio.timeout(limit):
                return _token(await self._exchange.post_form(f"{self._base_url}{path}", form))
        except TimeoutError as exc:
            raise TransientError(f"no token within {limit:g} s", where=f"POST {path}") from exc
        except APIError as exc:
            refusal = _refusal(exc)
            if refusal is None:
                raise
            raise refusal from exc


def _basic(key: str) -> str:
    for prefix, mistake in _MISTAKEN_KEYS.items():
        if key.startswith(prefix):
            raise AuthError(f"{prefix}… is no API key: {mistake}", where="credentials")
    # Python's own exception for a letter beyond ASCII would hold the whole key.
    pair = f"{_printable(key, 'the API key', 'credentials')}:".encode("ascii")
    return f"Basic {b64encode(pair).decode('ascii')}"


def _bearer(token: _Token) -> str:
    return f"Bearer {token.value}"


def _request(credentials: OAuthClient | WorkloadIdentity) -> tuple[str, dict[str, str]]:
    """Return path and form of the request that exchanges the credentials for a token."""
    if isinstance(credentials, OAuthClient):
        form = {"client_secret": credentials.client_secret.get_secret_value()}
        path = "/api/v2/oauth/token"
        return path, form | {"client_id": credentials.client_id, "grant_type": "client_credentials"}
    form = {"client_id": credentials.client_id, "jwt": _read_jwt(credentials.jwt_file)}
    return "/api/v2/oauth/token-exchange", form


def _read_jwt(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as exc:
        message = f"the identity token can not be read: {exc.strerror}"
        raise AuthError(message, where=str(file)) from exc
    return _printable(text, "the identity token", str(file))


def _printable(secret: str, what: str, where: str) -> str:
    """Refuse what no header can carry, before a library quotes it in an error of its own."""
    if secret and secret.isascii() and secret.isprintable() and " " not in secret:
        return secret
    raise AuthError(f"{what} is empty, or holds what no credential has", where=where)


def _refusal(error: APIError) -> AuthError | None:
    """Return a token endpoint's 4xx as what it means: these credentials do not work."""
    status = error.status
    if status is None or status < HTTPStatus.BAD_REQUEST or isinstance(error, TransientError):
        return None
    message = f"the credentials are refused: {error.message}"
    if status == HTTPStatus.NOT_FOUND:
        message = (
            "the control plane knows no such client: a new one may be answered so for some "
            f"minutes, else the client ID or the base URL is wrong ({error.message})"
        )
    return AuthError(message, where=error.where, status=status, request_id=error.request_id)


def _token(answer: Answer) -> _Token:
    """Read a token answer. What is wrong with it is said without quoting any of it."""
    try:
        said = msgspec.json.decode(answer.body, type=_TokenAnswer)
    except msgspec.ValidationError as exc:
        raise answer.malformed(f"the answer holds no access token: {exc}") from exc
    except UNREADABLE:
        # Its text could quote the answer, and its object holds it.
        raise answer.malformed("the answer holds no access token: it is not JSON") from None
    if said.token_type.casefold() != "bearer" or said.expires_in <= 0:
        raise answer.malformed("the answer holds no bearer token with a lifetime")
    try:
        value = _printable(said.access_token, "the access token", answer.where)
    except AuthError as exc:
        raise answer.malformed(exc.message) from exc
    return _Token(value, float(said.expires_in))
