"""What each fault does: to the answer, to the lists behind it, and to the way it is sent."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from discovery.simulator.faults import Kind, Rule
from discovery.simulator.refusals import JSONObject, message_for

_PAGE: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"


class Dropped(Response):
    """No answer at all: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection of a request."""
        del send
        await _close(scope, receive)


class Truncated(Response):
    """The first half of an answer under the length of all of it, and then the end."""

    def __init__(self, whole: Response) -> None:
        super().__init__()
        self.whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the first half and close the connection."""
        whole = self.whole
        head = {
            "type": "http.response.start",
            "status": whole.status_code,
            "headers": whole.raw_headers,
        }
        await send(head)
        half = bytes(whole.body)[: len(whole.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _close(scope, receive)


def instead(rule: Rule) -> Response | None:
    """Return the answer that a fault gives without looking at the request; None if it is none."""
    if rule.kind is Kind.STATUS:
        return _status(rule.argument)
    if rule.kind is Kind.HTML:
        status = HTTPStatus(int(rule.argument))
        return HTMLResponse(_PAGE.format(f"{status.value} {status.phrase}"), status.value)
    if rule.kind is Kind.REDIRECT:
        return Response(status_code=307, headers={"Location": rule.argument})
    if rule.kind is Kind.BODY:
        return Response(rule.argument, media_type="application/json")
    return Dropped() if rule.kind is Kind.DROP else None


def changed(rule: Rule, whole: Response) -> Response:
    """Return what is sent of an answer that is ready."""
    if rule.kind is Kind.LOST:
        return Dropped()
    if rule.kind is Kind.TRUNCATED:
        return Truncated(whole)
    if rule.kind is Kind.OVERSIZED:
        blanks = b" " * int(rule.argument)
        return Response(
            bytes(whole.body) + blanks, whole.status_code, media_type=whole.headers["content-type"]
        )
    return whole


async def pause(request: Request, seconds: float) -> None:
    """Wait, but no longer than the client does; its whole body must have been read."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _disconnected(request.receive)


def seen(rule: Rule | None, items: Sequence[Any]) -> list[Any]:
    """Return what a fault leaves of a list of devices or Services; the items are not changed."""
    view = _VIEWS.get(rule.kind) if rule is not None else None
    return list(items) if rule is None or view is None else view(items, rule.argument)


def _status(argument: str) -> Response:
    code, _, retry_after = argument.partition(":")
    headers = {"Retry-After": retry_after} if retry_after else {}
    return JSONResponse({"message": message_for(int(code))}, int(code), headers)


async def _close(scope: Scope, receive: Receive) -> None:
    """Close the connection, and wait for the server to notice: then it expects no answer."""
    scope["state"]["transport"].close()
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _none(items: Sequence[Any], argument: str) -> list[Any]:
    del items, argument
    return []


def _half(items: Sequence[Any], argument: str) -> list[Any]:
    del argument
    return list(items[: len(items) // 2])


def _untagged(items: Sequence[Any], argument: str) -> list[Any]:
    """Take the tags from the first devices that have any, one more than half of these."""
    del argument
    tagged = [position for position, item in enumerate(items) if item.get("tags")]
    losers = set(tagged[: len(tagged) // 2 + 1])
    return [
        _without(item, "tags") if position in losers else item
        for position, item in enumerate(items)
    ]


def _without(item: JSONObject, *names: str) -> JSONObject:
    return {name: value for name, value in item.items() if name not in names}


def _foreign(items: Sequence[Any], argument: str) -> list[Any]:
    return [{**item, "name": f"{item['name'].partition('.')[0]}.{argument}"} for item in items]


def _malformed(items: Sequence[Any], argument: str) -> list[Any]:
    if not items:
        return []
    return [_BREAKERS[argument](items[0]), *items[1:]]


_BREAKERS: Final[dict[str, Callable[[JSONObject], JSONObject | None]]] = {
    "addresses": lambda device: {**device, "addresses": ",".join(device["addresses"])},
    "tags": lambda device: {**device, "tags": None},
    "nodeId": lambda device: _without(device, "nodeId"),
    "id": lambda device: _without(device, "nodeId", "id"),
    "entry": lambda _: None,
}
_VIEWS: Final[dict[Kind, Callable[[Sequence[Any], str], list[Any]]]] = {
    Kind.EMPTY: _none,
    Kind.HALF: _half,
    Kind.UNTAGGED: _untagged,
    Kind.FOREIGN: _foreign,
    Kind.MALFORMED: _malformed,
}
