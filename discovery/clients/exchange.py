"""One HTTP request to a control plane and its answer, with every failure as our own error."""

import ssl
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import parse_qsl, quote_plus

import httpx
import msgspec

from discovery import __version__
from discovery.clients.devices import UNREADABLE
from discovery.clients.errors import (
    APIError,
    AuthError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RejectedError,
    TransientError,
    excerpt,
)

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one body, decompressed: about ninety thousand devices."""

_REFUSAL_LIMIT = 64 * 1024
_LONGEST_RETRY_AFTER = timedelta(hours=1)
_HEADERS = {
    "Accept": "application/json",
    # Without this line the list depends on which optional decoders happen to be installed.
    "Accept-Encoding": "gzip",
    "User-Agent": f"tailnet-discovery/{__version__}",
}


def new_http(tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """Return a client for control planes. Share ``tls`` between clients: building one is slow.

    Redirects are never followed: a 307 would hand the credential in header or body to whatever
    host the answer names. The environment is trusted for ``HTTPS_PROXY``, ``NO_PROXY``,
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``: a cluster behind an egress proxy reaches the API in no
    other way, and Tailscale's own tools honour the same variables.
    """
    return httpx.AsyncClient(
        verify=httpx.create_ssl_context() if tls is None else tls,
        follow_redirects=False,
        trust_env=True,
        timeout=httpx.Timeout(5, read=20),
        limits=httpx.Limits(max_connections=10, max_keepalive_connections=2),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of status 200."""

    body: bytes
    where: str
    request_id: str | None

    def malformed(self, message: str) -> MalformedAnswerError:
        """Return the error that says that this answer is not the contract."""
        return MalformedAnswerError(
            message, where=self.where, status=HTTPStatus.OK, request_id=self.request_id
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """Sends requests and judges the answers: 200 and complete, or an error.

    ``now`` is aware UTC time, for a ``Retry-After`` that names a date; ``limit`` counts bytes.
    """

    http: httpx.AsyncClient
    now: Callable[[], datetime]
    limit: int = BODY_LIMIT

    async def get(self, url: str, authorization: str) -> Answer:
        """Ask for ``url``."""
        headers = _HEADERS | {"Authorization": authorization}
        return await self._send(httpx.Request("GET", url, headers=headers))

    async def post_form(self, url: str, form: dict[str, str]) -> Answer:
        """Post ``form`` to ``url``, without any credential but those in the form."""
        return await self._send(httpx.Request("POST", url, headers=_HEADERS, data=form))

    async def _send(self, request: httpx.Request) -> Answer:
        where = _where(request)
        try:
            response = await self.http.send(request, stream=True, auth=None, follow_redirects=False)
            try:
                body = await self._body(response)
            finally:
                await response.aclose()
        except httpx.TransportError as exc:
            raise TransientError(_failure(request, exc), where=where) from exc
        except httpx.DecodingError as exc:
            raise MalformedAnswerError(
                "the body's content encoding is broken", where=where
            ) from exc
        request_id = _request_id(response)
        if body is None:
            raise MalformedAnswerError(
                f"the body is larger than {self.limit} bytes",
                where=where,
                status=response.status_code,
                request_id=request_id,
            )
        if response.status_code != HTTPStatus.OK:
            raise _refusal(response, body, where, self.now())
        return Answer(body, where, request_id)

    async def _body(self, response: httpx.Response) -> bytes | None:
        """Return the whole body, or None for a 200 with too much of it."""
        expected = response.status_code == HTTPStatus.OK
        limit = self.limit if expected else _REFUSAL_LIMIT
        chunks, size = [], 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > limit:
                # Of an oversized refusal the status is enough: a cut text could hold half a secret,
                # which nothing would recognise.
                return None if expected else b""
            chunks.append(chunk)
        return b"".join(chunks)


def _where(request: httpx.Request) -> str:
    path = request.url.raw_path.partition(b"?")[0].decode("ascii")
    return f"{request.method} {path}"


def _request_id(response: httpx.Response) -> str | None:
    name = response.headers.get("x-tailscale-request-id")
    return None if name is None else excerpt(name, _secrets(response.request))


def _origin(url: httpx.URL) -> str:
    """Return scheme, host and port; a user and password are no part of it."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _failure(request: httpx.Request, error: httpx.TransportError) -> str:
    reason = excerpt(str(error), _secrets(request))
    kind = type(error).__name__
    return f"{_origin(request.url)}: {kind}{': ' if reason else ''}{reason}"


def _refusal(response: httpx.Response, body: bytes, where: str, now: datetime) -> APIError:
    """Return the error for an answer that is not 200."""
    status = response.status_code
    request_id = _request_id(response)
    said = _message(body)
    text = (_foreign(body) if said is None else said) or response.reason_phrase
    message = excerpt(text, _secrets(response.request)) or "no text"
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        pause = retry_after(response.headers.get("retry-after", ""), now)
        return TransientError(
            message, where=where, status=status, request_id=request_id, retry_after=pause
        )
    kind: type[APIError] = MalformedAnswerError
    if status < HTTPStatus.BAD_REQUEST:
        message = f"an answer of status 200 was expected{_leading_to(response)}"
    elif status == HTTPStatus.NOT_FOUND and said is None:
        message = f"no such path, and not in the API's words; is the base URL right? ({message})"
    else:
        kind = _KINDS.get(status, RejectedError)
    return kind(message, where=where, status=status, request_id=request_id)


_KINDS: dict[int, type[APIError]] = {
    HTTPStatus.UNAUTHORIZED: AuthError,
    HTTPStatus.FORBIDDEN: AuthError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
}


class _Refusal(msgspec.Struct):
    """Both shapes of an error: Tailscale's, and the one of RFC 6749 at token endpoints."""

    message: str | None = None
    error: str | None = None
    error_description: str | None = None


def _message(body: bytes) -> str | None:
    """Return what an error body says, or None where it is not of the API's shape."""
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except UNREADABLE:
        return None
    said = (refusal.message, refusal.error, refusal.error_description)
    return ": ".join(part for part in said if part) or None


def _foreign(body: bytes) -> str:
    """Return what to quote of a body that is not of the API's shape."""
    return "an HTML page" if body.lstrip().startswith(b"<") else body.decode("utf-8", "replace")


def _leading_to(response: httpx.Response) -> str:
    """Name the origin a redirect points to; its path and query may hold anything."""
    target = response.next_request
    if target is None:
        return ""
    origin = excerpt(_origin(target.url), _secrets(response.request))
    return f", not a redirect to {origin}, which is never followed"


def retry_after(value: str, now: datetime) -> timedelta | None:
    """Return the pause that a ``Retry-After`` header asks for, at most an hour.

    Both forms of RFC 9110 count: seconds, and a date, which is a pause from ``now`` on.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # A float of any number of digits is a float; an int of many could be no timedelta.
        seconds = min(float(value), _LONGEST_RETRY_AFTER.total_seconds())
        return timedelta(seconds=seconds)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), _LONGEST_RETRY_AFTER)


def _secrets(request: httpx.Request) -> frozenset[str]:
    """Return what must not be repeated: every credential this request carries, in each form."""
    sent = request.headers.get("authorization", "").partition(" ")
    found = {sent[2]}
    if sent[0] == "Basic":
        found.add(b64decode(sent[2]).decode("utf-8", "replace").rstrip(":"))
    if request.method == "POST":
        form = dict(parse_qsl(request.content.decode("ascii")))
        found |= {form.get("client_secret", ""), form.get("jwt", "")}
    return frozenset(found | {quote_plus(secret) for secret in found})
