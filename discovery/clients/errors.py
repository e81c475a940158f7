"""What can go wrong with a control plane, sorted by what the caller can do about it.

::

    APIError
     ├── TransientError         time-out, network, 429, 5xx: ask again later (see retry_after)
     ├── AuthError              401, 403, a list that is "not found", unusable credentials
     ├── ConflictError          409: somebody else holds the name, or was faster
     ├── NotFoundError          404 in the API's own shape: the one thing asked for is not there
     ├── RejectedError          any other 4xx: the request itself is refused
     └── MalformedAnswerError   an answer that is not the contract: HTML, wrong envelope, redirect
          └── InventoryError    the same of a file that stands for the API

Every message is one line and free of secrets: whatever a server says is untrusted text, and some
servers repeat the credential that they refuse.
"""

import re
from collections.abc import Iterable
from datetime import timedelta

_EXCERPT_LENGTH = 256
_LOOKED_AT = 64 * 1024  # characters; more would take seconds, in which nothing else happens
_REDACTED = "[redacted]"
_CREDENTIAL = re.compile(
    r"""
      \b(?:tskey|hskey)-[\w-]+                     # keys of Tailscale and Headscale
    # JSON web tokens, and what a dash joins to them: each run of letters is read once
    | (?<![\w-])(?=[\w-]+\.[\w-])(?:[\w-]*-)?eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?
    | (?<=\bBasic\s)[A-Za-z0-9+/]{6,}=*            # an Authorization header, repeated
    | (?<=\bBearer\s)[\w.~+/-]{6,}=*
    """,
    re.VERBOSE,
)


class APIError(Exception):
    """An answer that could not be had.

    ``message`` says what happened and, where it helps, what to do; ``where`` is method and path
    without the query, or a file. ``status`` is None where no answer came. ``request_id`` is the
    server's name for the request (Tailscale sends ``x-tailscale-request-id`` with every answer).
    """

    def __init__(
        self, message: str, *, where: str, status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = one_line(message)
        self.where = one_line(where)
        self.status = status
        self.request_id = None if request_id is None else excerpt(request_id)
        self.args = (self.message,)

    def __str__(self) -> str:
        status = None if self.status is None else f"HTTP {self.status}"
        place = ", ".join(part for part in (self.where, status, self.request_id) if part)
        return f"{self.message} ({place})"


class TransientError(APIError):
    """It may work a little later. ``retry_after`` is the pause the server asks for, if it did."""

    def __init__(
        self,
        message: str,
        *,
        where: str,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, where=where, status=status, request_id=request_id)
        self.retry_after = retry_after


class AuthError(APIError):
    """The credentials are missing, unusable, refused, or lack a scope or permission."""


class ConflictError(APIError):
    """The control plane holds something else under that name (409)."""


class NotFoundError(APIError):
    """The one thing asked for does not exist, said in the API's own shape (404)."""


class RejectedError(APIError):
    """The request is refused as it stands: repeating it changes nothing (other 4xx)."""


class MalformedAnswerError(APIError):
    """The answer is not what the API's contract says. It proves nothing, absence least of all."""


class InventoryError(MalformedAnswerError):
    """A file that stands for the API is unreadable or holds no device list."""


def one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` without secrets, control characters and line breaks.

    ``secrets`` are known values; whatever is shaped like a credential goes as well.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _REDACTED)
    text = _CREDENTIAL.sub(_REDACTED, text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def excerpt(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of a stranger's text, at most 256 characters, as :func:`one_line`."""
    line = one_line(text[:_LOOKED_AT], secrets)
    if len(text) > _LOOKED_AT and len(line) <= _EXCERPT_LENGTH:
        return "…"  # nearly all of it is blank, and what was cut may be half a secret
    return line if len(line) <= _EXCERPT_LENGTH else f"{line[: _EXCERPT_LENGTH - 1]}…"
