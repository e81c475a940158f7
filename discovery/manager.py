"""The lifecycle of a running controller: periodic jobs, pending keys, workers, the orderly stop.

Jobs only mark keys or poll; a few workers drain the set of pending keys, never two on one key. A
key that failed comes back later and alone. This module is the only one that knows APScheduler.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from discovery.metric_labels import Result
from discovery.metrics import Metrics
from discovery.plan.observed import Sync
from discovery.plan.passes import Pass
from discovery.plan.trust import Freshness
from discovery.planner import Sources
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.stores import EndingError, OutdatedError, Store, StoreError
from discovery.v1alpha1 import Key, TailscaleEndpoints

log = logging.getLogger(__name__)

WORKERS = 8
PASS_DEADLINE = timedelta(seconds=30)
RESYNC = timedelta(minutes=10)
EDITS = timedelta(seconds=2)
TOGETHER = timedelta(milliseconds=20)
CONFLICT_CHECK = timedelta(seconds=30)
STOP_WITHIN = timedelta(seconds=1.5)
FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(minutes=5)


class Manager:
    """Runs until told to stop. ``clock`` returns aware UTC datetimes.

    ``on_freshness`` is told when a tailnet's freshness turned, with what is said of it.
    """

    def __init__(
        self,
        store: Store,
        sources: Sources,
        reconciler: Reconciler,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        metrics: Metrics | None = None,
        on_freshness: Callable[[str, Freshness], None] = lambda _name, _fresh: None,
    ) -> None:
        self._store = store
        self._sources = sources
        self._reconciler = reconciler
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._on_freshness = on_freshness
        self._pending: set[Key] = set()
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._looking: asyncio.TimerHandle | None = None
        self._fresh: dict[str, Freshness] = {}
        self._metrics.follow_pending(lambda: len(self._pending))
        for source in sources:
            if source.questions is not None:
                source.questions.on_answer = partial(self._count_answer, source)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll and reconcile until ``stop`` is set; then finish what is in flight and return."""
        self._store.refresh()
        keys = self._store.keys()
        self._reconciler.define(keys)
        # Every other resource is marked by the first poll of its tailnet.
        self._mark(key for key in keys if self._is_without_tailnet(key))
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
        began = monotonic()
        touched = await source.poll(self._clock())
        name = source.policy.tailnet
        fresh, before = source.freshness(self._clock()), self._fresh.get(name)
        self._measure(source, fresh, monotonic() - began)
        if source.outage is None:
            # A list is evidence for what waits, also where nothing in it changed.
            touched = touched | self._reconciler.waiting_on(source)
        self._mark(touched)
        if fresh == before:
            return
        self._fresh[name] = fresh
        if before is not None or not fresh.fresh:
            self._on_freshness(name, fresh)
        within = timedelta() if before is None else source.interval
        self._mark_spread(sorted(set(self._store.keys()) - touched), within)

    def _measure(self, source: Source, fresh: Freshness, seconds: float) -> None:
        name = source.policy.tailnet
        self._metrics.polled(name, source.outage.doubt.cause if source.outage else None, seconds)
        self._metrics.fresh(name, fresh=fresh.fresh)
        if source.outage is None and source.snapshot is not None:
            excluded = Counter(source.selection.excluded.values())
            eligible = len(source.snapshot.devices) - excluded.total()
            self._metrics.verified(name, source.snapshot.fetched_at, eligible, excluded)

    def _count_answer(self, source: Source, answer: str) -> None:
        self._metrics.questioned(source.policy.tailnet, answer)

    def nudge(self) -> None:
        """Look for edits very soon: what changes at about one time is taken together."""
        if self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(TOGETHER.total_seconds(), self.look_for_edits)

    def look_for_edits(self) -> set[Key]:
        """Take edits of resources into the selections, and mark them; return their keys."""
        self._looking = None
        changed = self._store.refresh()
        if changed:
            self._reconciler.define(changed)
            for key in changed:
                self._reconciler.forget(key)
            self._mark(changed)
        return changed

    async def resync(self) -> None:
        """Plan every resource again from what is really there: drift is repaired."""
        keys = self._store.keys()
        self._reconciler.define(keys)
        self._reconciler.forget()
        self._mark(keys)

    async def _poll_until_stopped(self, source: Source) -> None:
        # APScheduler would log the end of a poll by the stop as an error, with a traceback.
        with suppress(asyncio.CancelledError):
            await self.poll(source)

    def _schedule(self) -> AsyncIOScheduler:
        defaults = {"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        now = datetime.now(UTC)
        for source in self._sources:
            seconds = source.interval.total_seconds()
            scheduler.add_job(
                self._poll_until_stopped,
                "interval",
                args=[source],
                seconds=seconds,
                jitter=seconds / 10,
                id=f"poll/{source.policy.tailnet}",
                next_run_time=now,
            )
        scheduler.add_job(
            self.look_for_edits, "interval", seconds=EDITS.total_seconds(), id="edits"
        )
        scheduler.add_job(
            self.resync, "interval", seconds=RESYNC.total_seconds(), jitter=30, id="resync"
        )
        return scheduler

    def _is_without_tailnet(self, key: Key) -> bool:
        resource = self._store.get(key)
        if isinstance(resource, TailscaleEndpoints):
            return self._sources.of(resource.spec.tailnet) is None
        return True

    def _mark(self, keys: Iterable[Key]) -> None:
        self._pending.update(keys)
        self._wake.set()

    def _mark_later(self, key: Key, delay: timedelta) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(delay.total_seconds(), self._mark, (key,))

    def _mark_spread(self, keys: Sequence[Key], within: timedelta) -> None:
        """Mark keys evenly over a time: they are to say something, not to do something at once."""
        if not within:
            self._mark(keys)
            return
        for place, key in enumerate(keys):
            self._mark_later(key, within * place / len(keys))

    async def _work(self) -> None:
        while True:
            while not (ready := self._pending - self._busy):
                self._wake.clear()
                await self._wake.wait()
            key = min(ready)
            self._pending.discard(key)
            self._busy.add(key)
            try:
                await self._pass(key)
            finally:
                self._busy.discard(key)
                self._idle.set()
                self._wake.set()

    async def _pass(self, key: Key) -> None:
        began, result = monotonic(), Result.FAILED
        try:
            async with asyncio.timeout(PASS_DEADLINE.total_seconds()):
                made = await self._reconciler.reconcile(key, self._clock())
                await self._store.flush()
            result = Result.DONE if made and made.changes else Result.UNCHANGED
        except EndingError as error:
            log.info("pass ends", extra={"resource": str(key), "problem": str(error)})
        except (StoreError, TimeoutError) as error:
            self._retry_later(key, error)
        except Exception as defect:
            log.exception("defect in a pass", extra={"resource": str(key)})
            self._retry_later(key, defect)
        else:
            self._failures.pop(key, None)
            for loss in made.removed if made else ():
                self._metrics.removed(loss.cause)
            self._look_again(key, made)
        finally:
            self._metrics.reconciled(result, monotonic() - began)
            self._tell_state(key)

    def _tell_state(self, key: Key) -> None:
        """Count a resource by what its status says; an unreadable one is said nothing of."""
        try:
            resource = self._store.get(key)
        except StoreError:
            return
        if resource is None:
            self._metrics.gone(key)
        elif resource.status is not None:
            ready = {c.type: c.status for c in resource.status.conditions}.get("Ready", "Unknown")
            held = resource.status.removal.total if resource.status.removal else 0
            self._metrics.reported(key, ready, resource.status.total_endpoints, held)

    def _look_again(self, key: Key, made: Pass | None) -> None:
        """Come back to a resource whose Service name is a stranger's: that one is not watched."""
        if made is not None and made.observed.sync is Sync.SERVICE_CONFLICT:
            self._reconciler.forget(key)
            self._mark_later(key, CONFLICT_CHECK)

    def _retry_later(self, key: Key, error: Exception) -> None:
        self._reconciler.forget(key)  # what it planned may not have been written
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(FIRST_RETRY * 2 ** min(failures - 1, 10), LONGEST_RETRY)
        if isinstance(error, StoreError) and error.retry_after is not None:
            delay = max(delay, error.retry_after)
        # Somebody else was faster: that is how clusters are, and the next pass sees it.
        level = logging.INFO if isinstance(error, OutdatedError) else logging.ERROR
        log.log(
            level,
            "pass failed",
            extra={
                "resource": str(key),
                "problem": str(error) or f"no end within {PASS_DEADLINE.total_seconds():g} s",
                "retry": f"{delay.total_seconds():g}s",
            },
        )
        self._mark_later(key, delay)

    async def _drain(self, workers: list[asyncio.Task[None]]) -> None:
        """Let passes in flight end, for a bounded time, then end the workers."""
        try:
            async with asyncio.timeout(STOP_WITHIN.total_seconds()):
                self._pending.clear()
                while self._busy:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            log.warning("passes cut short", extra={"resources": sorted(map(str, self._busy))})
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
