"""What can go wrong between a client and the API server, for :class:`FaultProxy`.

``proxy.add(Fault(too_many_requests(1), method="PATCH", path="/endpointslices/", times=2))``
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.controlplane.exchange import Asked, Exchange

Act = Callable[[Exchange], Awaitable[None]]

BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
TOO_LARGE = "etcdserver: request is too large"
TOO_OLD = "too old resource version: 1 (2)"


@dataclass(eq=False, slots=True)
class Fault:
    """What happens to the requests that match; the first one added wins.

    ``method`` is a pattern such as ``PUT|PATCH``, ``path`` is found anywhere in path and query,
    ``watch`` limits it to watches, or to everything else; ``times`` None means until cleared.
    """

    act: Act
    method: str = ".*"
    path: str = ""
    watch: bool | None = None
    times: int | None = 1
    hits: int = 0  # how often it has happened

    def takes(self, asked: Asked) -> bool:
        """Tell whether it happens to this request."""
        spent = self.times is not None and self.hits >= self.times
        kind = self.watch is None or self.watch == asked.watch
        return kind and not spent and asked.matches(self.method, self.path)


def drop() -> Act:
    """Close the connection; the request is not passed on."""

    async def act(exchange: Exchange) -> None:
        exchange.close()

    return act


def reset() -> Act:
    """Reset the connection; the request is not passed on."""

    async def act(exchange: Exchange) -> None:
        exchange.reset()

    return act


def cut(after: int) -> Act:
    """Reset the connection after so many bytes of the answer's body, framing included."""

    async def act(exchange: Exchange) -> None:
        await exchange.relay(most=after)
        exchange.reset()

    return act


def answer_lost() -> Act:
    """Reset the connection when the API server has done what was asked."""

    async def act(exchange: Exchange) -> None:
        await exchange.pass_on()
        exchange.reset()

    return act


def hang(after: int | None = None) -> Act:
    """Fall silent, and keep the connection: at once, or after so many bytes of the answer's body.

    At once, the request is not passed on either; ``hang(0)`` is a watch that begins and says
    nothing.
    """

    async def act(exchange: Exchange) -> None:
        if after is not None:
            await exchange.relay(most=after)
        await exchange.gone()

    return act


def delay(seconds: float) -> Act:
    """Pass the request on so much later."""

    async def act(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.relay()

    return act


def answer(code: int, body: bytes, **headers: str) -> Act:
    """Answer with this instead of asking the API server; ``Retry_After="1"`` is a header."""
    spelled = {"Content-Length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in spelled.items()]
    head = f"HTTP/1.1 {code} Injected\r\n{''.join(lines)}\r\n"

    async def act(exchange: Exchange) -> None:
        await exchange.write(head.encode() + body)

    return act


def status(code: int, reason: str, message: str, **headers: str) -> Act:
    """Answer with a Status object, as the API server says that it did not do what was asked."""
    body = json.dumps(_status(code, reason, message)).encode()
    return answer(code, body, Content_Type="application/json", **headers)


def forbidden() -> Act:
    """Answer that the right is missing."""
    return status(403, "Forbidden", "tailscaleendpoints is forbidden: injected")


def too_many_requests(retry_after: int) -> Act:
    """Answer that the API server has too much to do for so many seconds."""
    message = "Too many requests, please try again later."
    return status(429, "TooManyRequests", message, Retry_After=str(retry_after))


def server_error() -> Act:
    """Answer that the API server has failed."""
    return status(500, "InternalError", "an internal error: injected")


def too_large() -> Act:
    """Answer as etcd does when an object is above 1.5 MiB: a 500 that no repetition mends."""
    return status(500, "", TOO_LARGE)


def bad_gateway() -> Act:
    """Answer as a load balancer does that finds no API server behind it."""
    return answer(502, BAD_GATEWAY, Content_Type="text/html")


def watch_ends() -> Act:
    """Answer a watch with an empty stream."""
    return events()


def watch_expired() -> Act:
    """Answer a watch with the event that its resourceVersion is too old."""
    return events({"type": "ERROR", "object": _status(410, "Expired", TOO_OLD)})


def events(*of: dict[str, Any]) -> Act:
    """Answer a watch with these events, and end it."""
    lines = [json.dumps(event).encode() + b"\n" for event in of]
    chunks = [b"%x\r\n%s\r\n" % (len(line), line) for line in lines]
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    async def act(exchange: Exchange) -> None:
        await exchange.write(head + b"".join(chunks) + b"0\r\n\r\n")

    return act


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    said = {"status": "Failure", "message": message, "reason": reason, "code": code}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, **said}
