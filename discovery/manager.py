"""The lifecycle of a running controller: periodic jobs, pending keys, workers, the orderly stop.

Jobs only mark keys or poll; a few workers drain the set of pending keys, never two on one key. A
key that failed comes back later and alone. This module is the only one that knows APScheduler.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from discovery.reconciler import Reconciler, Sources
from discovery.source import Source
from discovery.stores import StoreError
from discovery.v1alpha1 import Key

if TYPE_CHECKING:
    from discovery.plan.trust import Freshness

log = logging.getLogger(__name__)

WORKERS = 8
PASS_DEADLINE = timedelta(seconds=30)
RESYNC = timedelta(minutes=10)
EDITS = timedelta(seconds=2)
STOP_WITHIN = timedelta(seconds=1.5)
FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(minutes=5)


class Resources(Protocol):
    """What the manager needs to know of resources beyond the store's own protocol."""

    def refresh(self) -> set[Key]:
        """Look for edits; return the keys of resources that came, changed or went."""
        ...

    def keys(self) -> Iterable[Key]:
        """Return every key that has a resource or something left of one."""
        ...

    async def flush(self) -> None:
        """Make what a pass wrote visible."""
        ...


class Manager:
    """Runs until told to stop. ``clock`` returns aware UTC datetimes."""

    def __init__(
        self,
        resources: Resources,
        sources: Sources,
        reconciler: Reconciler,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._resources = resources
        self._sources = sources
        self._reconciler = reconciler
        self._clock = clock
        self._pending: set[Key] = set()
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Condition()
        self._fresh: dict[str, Freshness] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Poll and reconcile until ``stop`` is set; then finish what is in flight and return."""
        self._resources.refresh()
        self._reconciler.define(self._resources.keys())
        scheduler = self._schedule()
        scheduler.start()
        workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopping, *workers], return_when=asyncio.FIRST_COMPLETED)
            for finished in done - {stopping}:
                finished.result()  # a worker ends only by a defect: show it
        finally:
            scheduler.shutdown(wait=False)
            await self._drain(workers)
            stopping.cancel()

    async def poll(self, source: Source) -> None:
        """Poll one tailnet and mark what may have changed, or everything when freshness did."""
        touched = await source.poll(self._clock())
        name = source.policy.tailnet
        fresh = source.freshness(self._clock())
        if self._fresh.get(name) != fresh:
            self._fresh[name] = fresh
            touched = set(self._resources.keys())
        await self._mark(touched)

    def look_for_edits(self) -> set[Key]:
        """Take edits of resources into the selections; return their keys."""
        changed = self._resources.refresh()
        self._reconciler.define(changed)
        return changed

    async def resync(self) -> None:
        """Plan every resource again from what is really there: drift is repaired."""
        self._reconciler.forget()
        await self._mark(self._resources.keys())

    async def _follow_edits(self) -> None:
        await self._mark(self.look_for_edits())

    def _schedule(self) -> AsyncIOScheduler:
        defaults = {"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        now = datetime.now(UTC)
        for source in self._sources:
            seconds = source.interval.total_seconds()
            scheduler.add_job(
                self.poll,
                "interval",
                args=[source],
                seconds=seconds,
                jitter=seconds / 10,
                id=f"poll/{source.policy.tailnet}",
                next_run_time=now,
            )
        scheduler.add_job(self._follow_edits, "interval", seconds=EDITS.total_seconds(), id="edits")
        scheduler.add_job(
            self.resync, "interval", seconds=RESYNC.total_seconds(), jitter=30, id="resync"
        )
        return scheduler

    async def _mark(self, keys: Iterable[Key]) -> None:
        async with self._wake:
            self._pending.update(keys)
            self._wake.notify_all()

    async def _work(self) -> None:
        while True:
            async with self._wake:
                await self._wake.wait_for(lambda: bool(self._pending - self._busy))
                key = min(self._pending - self._busy)
                self._pending.discard(key)
                self._busy.add(key)
            try:
                await self._pass(key)
            finally:
                async with self._wake:
                    self._busy.discard(key)
                    self._wake.notify_all()

    async def _pass(self, key: Key) -> None:
        try:
            async with asyncio.timeout(PASS_DEADLINE.total_seconds()):
                await self._reconciler.reconcile(key, self._clock())
                await self._resources.flush()
        except (StoreError, TimeoutError) as error:
            self._retry_later(key, error)
        except Exception as defect:
            log.exception("defect in a pass", extra={"resource": str(key)})
            self._retry_later(key, defect)
        else:
            self._failures.pop(key, None)

    def _retry_later(self, key: Key, error: Exception) -> None:
        self._reconciler.forget(key)  # what it planned may not have been written
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(FIRST_RETRY * 2 ** min(failures - 1, 10), LONGEST_RETRY)
        log.error(
            "pass failed",
            extra={
                "resource": str(key),
                "problem": str(error) or f"no end within {PASS_DEADLINE.total_seconds():g} s",
                "retry": f"{delay.total_seconds():g}s",
            },
        )
        asyncio.get_running_loop().call_later(
            delay.total_seconds(), lambda: asyncio.ensure_future(self._mark({key}))
        )

    async def _drain(self, workers: list[asyncio.Task[None]]) -> None:
        """Let passes in flight end, for a bounded time, then end the workers."""
        try:
            async with asyncio.timeout(STOP_WITHIN.total_seconds()), self._wake:
                self._pending.clear()
                await self._wake.wait_for(lambda: not self._busy)
        except TimeoutError:
            log.warning("passes cut short", extra={"resources": sorted(map(str, self._busy))})
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
