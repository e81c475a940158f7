"""A handler that remembers, watchers that run while a test looks on, and answers for them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.resources import SERVICES
from discovery.clients.kube.watching import Watcher
from tests.clients.conftest import Clock, ScriptedServer

Item = tuple[str, str]
"""Name and resourceVersion."""


class Remembering:
    """Holds what it was told, and everything it was told in order."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.told: list[tuple[str, str]] = []

    def project(self, obj: dict[str, Any]) -> Item:
        return obj["metadata"]["name"], obj["metadata"]["resourceVersion"]

    def replace(self, items: list[Item]) -> None:
        self.held = dict(items)
        self.told.append(("replace", " ".join(sorted(self.held))))

    def upsert(self, item: Item) -> None:
        self.held[item[0]] = item[1]
        self.told.append(("upsert", item[0]))

    def remove(self, item: Item) -> None:
        del self.held[item[0]]
        self.told.append(("remove", item[0]))


@asynccontextmanager
async def running(watcher: Watcher[Any]) -> AsyncIterator[None]:
    """Run it beside the test, which ends it."""
    task = asyncio.create_task(watcher.run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(fact: Callable[[], bool], within: float = 10.0) -> None:
    """Return when it is so; what makes it so is on another thread or in another process."""
    async with asyncio.timeout(within):
        while not fact():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


class Enough(Exception):  # noqa: N818 - it is no failure
    """The test has seen what it wanted."""


def page(*names: str, at: str = "7") -> dict[str, Any]:
    items = [{"metadata": {"name": name, "resourceVersion": at}} for name in names]
    return {"metadata": {"resourceVersion": at}, "items": items}


def event(change: str, name: str = "web", version: str = "5") -> bytes:
    obj = {"metadata": {"name": name, "resourceVersion": version}}
    return json.dumps({"type": change, "object": obj}).encode() + b"\n"


def error(code: int) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "message": f"said {code}"}


def versions(server: ScriptedServer) -> list[str]:
    """Return what was asked for: ``list``, or the version that a watch was to begin from."""
    asked = []
    for request in server.requests:
        query = dict(part.split("=") for part in request.target.partition("?")[2].split("&"))
        asked.append(query.get("resourceVersion", "list"))
    return asked


async def follow(
    client: KubeClient, seen: Remembering, clock: Clock, pauses: int, factor: float = 1.0
) -> Watcher[Any]:
    """Follow until it has paused so often."""

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        if len(clock.waits) == pauses:
            raise Enough

    watcher = Watcher(
        client,
        SERVICES,
        seen,
        jitter=lambda seconds: seconds * factor,
        monotonic=clock.monotonic,
        sleep=sleep,
    )
    with pytest.raises(Enough):
        await watcher.run()
    return watcher
