"""Failures that only a Kubernetes API server knows, and what its answers mean.

::

    APIError
     ├── ExpiredError                 410: the resourceVersion or continue token is too old
     ├── NotServedError               404: this kind is not served, say for want of its CRD
     └── NamespaceTerminatingError    403 on a create: the namespace is being deleted

The other classes are those of :mod:`discovery.clients.errors`.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec

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
from discovery.clients.exchange import retry_after


class ExpiredError(APIError):
    """What was to be continued is too old for the server: list anew (410)."""


class NotServedError(APIError):
    """The server knows no such kind: it proves nothing about objects of that kind."""


class NamespaceTerminatingError(APIError):
    """Nothing can be created in a namespace that is being deleted."""


class _Cause(msgspec.Struct):
    reason: str = ""
    field: str = ""


class _Details(msgspec.Struct):
    name: str = ""
    causes: list[_Cause] = []
    retryAfterSeconds: int = 0  # noqa: N815 - the API's spelling


class _Status(msgspec.Struct):
    """metav1.Status, which is how the server refuses."""

    kind: str = ""
    message: str = ""
    code: int = 0
    details: _Details | None = None


# The API server passes on what etcd says, as a 500 that no repetition will change.
_TOO_LARGE = ("request is too large", "ResourceExhausted")
_KINDS: dict[int, type[APIError]] = {
    HTTPStatus.UNAUTHORIZED: AuthError,
    HTTPStatus.FORBIDDEN: AuthError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: ExpiredError,
}


def refusal(status: int, body: bytes, *, where: str, retry: str = "", secret: str = "") -> APIError:
    """Return the error for an answer that is not a success.

    ``retry`` is the ``Retry-After`` header, ``secret`` the credential that was sent.
    """
    said = _status(body)
    text = _foreign(body) if said is None else said.message
    message = excerpt(text, [secret]) or _phrase(status)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        if any(words in text for words in _TOO_LARGE):
            return RejectedError(message, where=where, status=status)
        pause = retry_after(retry, datetime.now(UTC)) or _asked_pause(said)
        return TransientError(message, where=where, status=status, retry_after=pause)
    if status < HTTPStatus.BAD_REQUEST:
        message = "a success was expected, not a redirect, which is never followed"
        return MalformedAnswerError(message, where=where, status=status)
    return _kind(status, said)(message, where=where, status=status)


def error_event(event: dict[str, Any], *, where: str) -> APIError:
    """Return the error that a watch event of type ERROR tells of."""
    body = msgspec.json.encode(event.get("object"))
    said = _status(body)
    if said is None or said.code < HTTPStatus.MULTIPLE_CHOICES:
        return MalformedAnswerError("a watch event ERROR without a Status", where=where)
    return refusal(said.code, body, where=where)


def _kind(status: int, said: _Status | None) -> type[APIError]:
    details = said.details if said else None
    if status == HTTPStatus.NOT_FOUND:
        # A Status that names no object is what the server says of a kind or a path it lacks.
        return NotFoundError if details and details.name else NotServedError
    causes = details.causes if details else []
    if any(cause.reason == "NamespaceTerminating" for cause in causes):
        return NamespaceTerminatingError
    if any(cause.field == "metadata.uid" for cause in causes):
        # An apply whose uid is not that of the object there is: 422, where the others say 409.
        return ConflictError
    return _KINDS.get(status, RejectedError)


def _status(body: bytes) -> _Status | None:
    try:
        said = msgspec.json.decode(body, type=_Status)
    except UNREADABLE:
        return None
    return said if said.kind == "Status" else None


def _asked_pause(said: _Status | None) -> timedelta | None:
    seconds = said.details.retryAfterSeconds if said and said.details else 0
    return retry_after(str(seconds), datetime.now(UTC)) if seconds > 0 else None


def _foreign(body: bytes) -> str:
    return "an HTML page" if body.lstrip().startswith(b"<") else body.decode("utf-8", "replace")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no text"
