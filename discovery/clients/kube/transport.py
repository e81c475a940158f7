"""One HTTP request to an API server and its answer, with every failure as our own error."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final, Protocol

import aiohttp

from discovery import __version__
from discovery.clients.errors import APIError, TransientError, excerpt
from discovery.clients.kube.errors import refusal

_REFUSAL_LIMIT: Final = 64 * 1024
_CONNECT: Final = 10.0  # seconds
_HEADERS: Final = {
    "Accept": "application/json",
    # Without this line the answer depends on which optional decoders happen to be installed.
    "Accept-Encoding": "gzip",
    "User-Agent": f"tailnet-discovery/{__version__}",
}


class Credential(Protocol):
    """Where the Authorization header comes from."""

    async def authorization(self, refused: str | None = None) -> str | None:
        """Return the header's value, None where a certificate says who we are, or nothing does.

        ``refused`` is the value that the server refused just now: if it is still the one at hand,
        it is read anew. Raises AuthError where it can not be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    ``total`` seconds are the whole time it may take, ``quiet`` those without a byte of the answer.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    total: float = 30.0
    quiet: float | None = None

    @property
    def where(self) -> str:
        """Method and path, for messages."""
        return f"{self.method} {self.path}"


class Transport:
    """Sends requests and judges the heads of the answers: a success, or an error.

    ``session`` must not read the environment (proxy, netrc); its owner closes it. ``server`` is the
    URL that paths are appended to. ``options`` go with each request: proxy and TLS server name.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: str,
        credential: Credential,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.server = server
        self._session = session
        self._credential = credential
        self._options = dict(options or {})

    async def send(self, call: Call) -> bytes:
        """Return the whole body of a success."""
        async with self.open(call) as response:
            return await response.read()

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give a success of which only the head is read.

        Reading the body inside is covered: what breaks it off is transient.
        """
        try:
            authorization = await self._credential.authorization()
            async with self._request(call, authorization) as response:
                if response.status != HTTPStatus.UNAUTHORIZED:
                    await _judge(response, call, authorization)
                    yield response
                    return
                error = await _refusal(response, call, authorization)
            # Nothing was done. Tokens expire, and who replaces one does not tell.
            another = await self._credential.authorization(refused=authorization)
            if another == authorization:
                raise error
            async with self._request(call, another) as response:
                await _judge(response, call, another)
                yield response
        except TimeoutError as exc:
            raise TransientError("no complete answer in time", where=call.where) from exc
        except (aiohttp.ClientError, OSError) as exc:
            text = f"{self.server}: {type(exc).__name__}: {_reason(exc)}"
            raise TransientError(text, where=call.where) from exc

    @asynccontextmanager
    async def _request(
        self, call: Call, authorization: str | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = dict(_HEADERS)
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        if authorization:
            headers["Authorization"] = authorization
        async with self._session.request(
            call.method,
            self.server + call.path,
            params=dict(call.query),
            # As a file, so that a large body is sent piece by piece.
            data=None if call.body is None else BytesIO(call.body),
            headers=headers,
            # A redirect would hand the credential to whatever host the answer names.
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=call.total, sock_connect=_CONNECT, sock_read=call.quiet
            ),
            **self._options,
        ) as response:
            yield response


async def until_cut(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Give the body as it arrives until it ends, is cut off, or falls silent for too long."""
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (TimeoutError, aiohttp.ClientError, OSError):
        return


async def _judge(response: aiohttp.ClientResponse, call: Call, authorization: str | None) -> None:
    if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        raise await _refusal(response, call, authorization)


async def _refusal(
    response: aiohttp.ClientResponse, call: Call, authorization: str | None
) -> APIError:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _REFUSAL_LIMIT:
            # The status is enough: a cut text could hold half a secret, which nothing recognises.
            body.clear()
            break
    return refusal(
        response.status,
        bytes(body),
        where=call.where,
        retry=response.headers.get("Retry-After", ""),
        secret=(authorization or "").partition(" ")[2],
    )


def _reason(error: Exception) -> str:
    """Return what went wrong, without the URLs and objects that aiohttp's own texts hold."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return excerpt(str(error.certificate_error))
    if isinstance(error, aiohttp.ClientConnectorError):
        return excerpt(error.os_error.strerror or str(error.os_error))
    if isinstance(error, aiohttp.ClientResponseError):
        return excerpt(f"{error.status} {error.message}")
    return excerpt(str(error)) or "no text"
