"""A handler that remembers, and a watcher that runs while a test looks on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from discovery.clients.kube.watching import Watcher

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
