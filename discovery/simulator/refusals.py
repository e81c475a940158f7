"""What the API answers when it refuses: the status, and the message word for word where known.

The messages marked "observed" were seen from the real service (measurements published by
abn/ansible-tailscale-admin and rknightion/tailscale2otel); those marked "published" stand in
Tailscale's OpenAPI document. Every other message of the simulator is its own, and a client must not
depend on it.
"""

from http import HTTPStatus
from typing import Any, Final, TypeAlias

JSONObject: TypeAlias = dict[str, Any]

TOKEN_INVALID: Final = "API token invalid"  # observed  # noqa: S105
NOT_PERMITTED: Final = (  # observed
    "calling actor does not have enough permissions to perform this function"
)
NOT_FOUND: Final = "not found"  # observed, published
BAD_REQUEST: Final = "bad request"  # published
INVALID_REQUEST: Final = "invalid request"  # observed

_MESSAGES: Final = {
    HTTPStatus.UNAUTHORIZED: TOKEN_INVALID,
    HTTPStatus.PAYMENT_REQUIRED: "feature not available on current billing plan",  # observed
    HTTPStatus.FORBIDDEN: NOT_PERMITTED,
    HTTPStatus.GATEWAY_TIMEOUT: "request took too long to process, please try again later",
}


class Refusal(Exception):  # noqa: N818  the API's answer, not a fault of the simulator
    """An answer of status ``status`` whose body is ``{"message": message}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def message_for(status: int) -> str:
    """Return the message that the API gives with a status: the known one, or the status's name."""
    known = _MESSAGES.get(HTTPStatus(status))
    return known if known is not None else HTTPStatus(status).phrase.lower()


def not_found() -> Refusal:
    """Return the answer for anything that does not exist, or that the caller may not see."""
    return Refusal(HTTPStatus.NOT_FOUND, NOT_FOUND)


def bad_request(message: str = BAD_REQUEST) -> Refusal:
    """Return the answer for a request that breaks a rule."""
    return Refusal(HTTPStatus.BAD_REQUEST, message)
