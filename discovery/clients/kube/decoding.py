"""Bodies and streams of JSON as they come from an API server.

Decoding holds the interpreter's lock, so that a thread would not let the event loop go on; what is
large is decoded piece by piece instead, with a pause for the loop between pieces.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from discovery.clients.devices import UNREADABLE
from discovery.clients.errors import MalformedAnswerError
from discovery.clients.kube.errors import error_event

_T = TypeVar("_T")

LINE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one line of a watch: far more than etcd stores of one object (1.5 MiB by default)."""

_PIECE: Final = 64 * 1024
_EVENTS: Final = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


class _ListMeta(msgspec.Struct):
    resource_version: str = msgspec.field(name="resourceVersion")
    continue_token: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct):
    """A part of a list: the objects are not decoded yet."""

    metadata: _ListMeta
    items: list[msgspec.Raw] | None


_objects: Final = msgspec.json.Decoder(dict[str, Any])
_pages: Final = msgspec.json.Decoder(Page)


def decode_object(body: bytes | bytearray | msgspec.Raw, *, where: str) -> dict[str, Any]:
    """Return the JSON object that ``body`` is, or raise MalformedAnswerError."""
    try:
        return _objects.decode(body)
    except UNREADABLE as exc:
        raise MalformedAnswerError("the answer is no JSON object", where=where) from exc


def decode_event(line: bytes, *, where: str) -> dict[str, Any]:
    """Return the watch event that a line is: ``type`` and ``object``; raise what an ERROR says."""
    event = decode_object(line, where=where)
    if event.get("type") == "ERROR":
        raise error_event(event, where=where)
    try:
        version = event["object"]["metadata"]["resourceVersion"]
    except (LookupError, TypeError):
        version = None
    if event.get("type") not in _EVENTS or not isinstance(version, str):
        raise MalformedAnswerError("a line of a watch that is no event", where=where)
    return event


def decode_page(body: bytes, *, where: str) -> Page:
    """Return the list that ``body`` is, or raise MalformedAnswerError."""
    try:
        return _pages.decode(body)
    except UNREADABLE as exc:
        raise MalformedAnswerError("the answer is no list of objects", where=where) from exc


class Breath:
    """Lets the event loop go on after each 64 KiB of decoded JSON."""

    def __init__(self) -> None:
        self._decoded = 0

    async def after(self, size: int) -> None:
        """Count ``size`` bytes, and pause if it is time to."""
        self._decoded += size
        if self._decoded >= _PIECE:
            self._decoded = 0
            await asyncio.sleep(0)


async def project_items(
    page: Page, complete: dict[str, str], project: Callable[[dict[str, Any]], _T], *, where: str
) -> list[_T]:
    """Return the projection of each object; ``complete`` fills in the fields that lists leave out.

    Of built-in kinds the objects in a list name neither ``apiVersion`` nor ``kind``.
    """
    breath, projected = Breath(), []
    for raw in page.items or ():
        projected.append(project(complete | decode_object(raw, where=where)))
        await breath.after(len(memoryview(raw)))
    return projected


class Lines:
    """Cuts a stream into lines, wherever its chunks end; an unfinished last line is never given."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes, *, where: str) -> Iterator[bytes]:
        """Give the lines that ``chunk`` completes; a blank one is none."""
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            whole = bytes(self._rest + line) if self._rest else line
            self._rest.clear()
            if whole.strip():
                yield whole
        self._rest += rest
        if len(self._rest) > LINE_LIMIT:
            raise MalformedAnswerError(f"a line longer than {LINE_LIMIT} bytes", where=where)
