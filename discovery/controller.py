"""One replica in a cluster: it watches, waits to lead, then polls and writes until it is stopped.

A replica that loses leadership ends, with an error: what it holds of the world may be old, and a
new start is the simplest way to be sure of it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any, Final

from discovery.clients.errors import APIError
from discovery.clients.kube.access import Permission, missing
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.lease import Elector
from discovery.clients.kube.watching import Watcher
from discovery.manager import Manager
from discovery.metrics import Metrics
from discovery.planner import Sources, remember
from discovery.stores.cluster import ClusterStore

log = logging.getLogger(__name__)

_SILENT: Final = timedelta(minutes=5)
"""Without a sign of the API server for so long, what the caches hold counts as unknown."""
_ASKED_FOR: Final = 10.0
"""Seconds that asking for rights may take: it must not hold up the start, nor a stop."""


class Controller:
    """A replica. ``background`` are tasks that run as long as it does."""

    def __init__(
        self,
        client: KubeClient,
        store: ClusterStore,
        elector: Elector,
        metrics: Metrics,
        namespace: str | None = None,
    ) -> None:
        self._store = store
        self._elector = elector
        self._metrics = metrics
        self._watchers = {
            resource.plural: Watcher(client, resource, cache, namespace=namespace, labels=labels)
            for resource, cache, labels in store.watched()
        }
        self._main: asyncio.Task[None] | None = None
        for plural, watcher in self._watchers.items():
            metrics.follow_watch(plural, _last_activity(watcher))

    def alive(self) -> str | None:
        """Return why this replica should be started anew, or None."""
        if self._main is not None and self._main.done():
            return "the controller has ended"
        return None

    def ready(self) -> str | None:
        """Return what hinders this replica from taking over at any moment, or None."""
        for plural, watcher in self._watchers.items():
            if not watcher.synced.is_set():
                return f"{plural} not listed yet: {watcher.problem or 'no answer so far'}"
            silent = monotonic() - watcher.last_activity
            if silent > _SILENT.total_seconds():
                why = watcher.problem or "no event and no bookmark"
                return f"{plural} not followed for {silent:.0f} s: {why}"
        return None

    async def run(
        self,
        manager: Manager,
        sources: Sources,
        stop: asyncio.Event,
        background: Sequence[Coroutine[Any, Any, Any]] = (),
    ) -> None:
        """Follow the cluster, and lead when it is this replica's turn, until ``stop`` is set.

        Raises LeadershipLostError. A defect in any task ends them all and is raised.
        """
        self._main = asyncio.create_task(self._take_part(manager, sources, stop))
        beside = [asyncio.create_task(watcher.run()) for watcher in self._watchers.values()]
        beside += [asyncio.create_task(one) for one in background]
        try:
            await asyncio.wait([self._main, *beside], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (self._main, *beside):
                task.cancel()
            ended = await asyncio.gather(self._main, *beside, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def _take_part(self, manager: Manager, sources: Sources, stop: asyncio.Event) -> None:
        synced = [watcher.synced.wait() for watcher in self._watchers.values()]
        if not await _before(stop, asyncio.gather(*synced)):
            return
        log.info("caches synced", extra={"resources": len(self._store.resources)})
        try:
            if not await _before(stop, self._elector.acquire()):
                return
            self._metrics.led(leading=True)
            await remember(self._store, sources)
            await self._lead(manager, stop)
        finally:
            # Also where the stop came while the Lease was being taken.
            self._metrics.led(leading=False)
            await self._elector.release()

    async def _lead(self, manager: Manager, stop: asyncio.Event) -> None:
        """Manage while the lease is held; what was begun is finished before it is given up."""
        holding = asyncio.create_task(self._elector.hold())
        managing = asyncio.create_task(manager.run(stop))
        self._store.on_change = manager.nudge
        try:
            await asyncio.wait([holding, managing], return_when=asyncio.FIRST_COMPLETED)
            if managing.done():
                managing.result()
            else:
                holding.result()
        finally:
            for task in (holding, managing):
                task.cancel()
            await asyncio.gather(holding, managing, return_exceptions=True)


async def check_rights(
    client: KubeClient, permissions: Sequence[Permission], namespace: str | None, lease: str
) -> None:
    """Log each right that is missing, before its absence shows in a pass."""
    try:
        async with asyncio.timeout(_ASKED_FOR):
            lacking = await missing(client, permissions, namespace, lease=lease)
    except (APIError, TimeoutError) as error:
        problem = str(error) or f"no answer within {_ASKED_FOR:g} s"
        log.warning("rights not checked", extra={"problem": problem})
        return
    for permission in lacking:
        log.error("right missing", extra={"permission": str(permission)})


async def _before(stop: asyncio.Event, waiting: Any) -> bool:
    """Wait for something unless the stop comes first; return whether it came."""
    task = asyncio.ensure_future(waiting)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    if task.cancelled():
        return False
    return task.result() is not False


def _last_activity(watcher: Watcher[Any]) -> Callable[[], float]:
    return lambda: watcher.last_activity
