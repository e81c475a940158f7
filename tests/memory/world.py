"""Everything that a leading replica holds in memory, without a cluster and without waiting."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.events import EventRecorder
from discovery.manager import Manager
from discovery.metrics import Metrics
from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.recorder import Recorder, Ring
from discovery.source import Source
from discovery.v1alpha1 import Key, Mode
from tagselectors import TagGrammar
from tests.memory.store import MemoryStore
from tests.memory.tailnet import TYPES, ChurningTailnet

MINUTE = timedelta(minutes=1)
RING = 2**18  # bytes, so that its oldest part is replaced from the first polls on
POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",), grammar=TagGrammar(["service-type"]))


def fixed(address: str) -> dict[str, Any]:
    """A static endpoint."""
    return {
        "name": "fixed",
        "tailscaleIP": address,
        "tailscaleFQDN": "fixed.company.ts.net",
        "port": 80,
        "protocol": "TCP",
    }


class SilentClient(KubeClient):
    """A client of an API server that takes every event and keeps none."""

    def __init__(self) -> None:
        self.sent = 0

    async def create(self, *_asked: Any, **_more: Any) -> dict[str, Any]:
        self.sent += 1
        return {}

    async def request(self, *_asked: Any, **_more: Any) -> dict[str, Any]:
        self.sent += 1
        return {}


class Hurried(Manager):
    """A manager for which what is to be done later is to be done now: its timers are the loop's."""

    def _mark_later(self, key: Key, delay: timedelta) -> None:
        del delay
        self._mark((key,))


class World:
    """A manager over a churning tailnet, a resource for each type of its machines.

    Its decisions are recorded in a folder.
    """

    def __init__(self, folder: Path) -> None:
        self.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
        self.polls = 0
        self.tailnet = ChurningTailnet()
        self.client = SilentClient()
        self.recorder = EventRecorder(
            self.client, instance="a", now=lambda: self.now, monotonic=self._monotonic
        )
        self.store = MemoryStore(self.recorder)
        self.source = Source(POLICY, self.tailnet, MINUTE, self.tailnet.device)
        sources = Sources([self.source])
        flights = Recorder(Ring(folder, RING))
        self.planner = Planner(sources, "default", Mode.ENFORCE, flights)
        self.reconciler = Reconciler(self.store, self.planner)
        self.metrics = Metrics(self._monotonic, self._monotonic)
        self.manager = Hurried(
            self.store, sources, self.reconciler, lambda: self.now, metrics=self.metrics
        )
        self.metrics.follow_dropped_events(self.recorder.dropped)
        for kind in TYPES:
            self.store.put(kind, f"uid-{kind}", kind)

    async def poll(self, times: int) -> None:
        """Let so many minutes pass, each with its changes, a poll, and the passes after it."""
        for _ in range(times):
            self.tailnet.turn()
            self._renew_a_resource()
            await self._minute()

    async def rest(self) -> None:
        """Let an hour pass in which nothing changes: what is remembered for a time is forgotten."""
        self.tailnet.rest()
        for _ in range(60):
            await self._minute()

    async def _minute(self) -> None:
        self.now += MINUTE
        self.polls += 1
        self.manager.look_for_edits()
        await self.manager.poll(self.source)
        pending = self.manager._pending
        while pending:
            await self.manager._pass(pending.pop())
        await self.recorder.flush()
        if self.polls % 100 == 0:
            self.metrics.text()

    def _renew_a_resource(self) -> None:
        """Delete a resource now and then, and create it again under another name and uid."""
        step, turn = divmod(self.tailnet.number, 40)
        if turn == 5:
            kind = TYPES[step % len(TYPES)]
            self.store.put(f"more-{step}", f"uid-{step}", kind, fixed("100.120.0.1"))
        if turn == 15:
            self.store.delete(f"more-{step}")

    def _monotonic(self) -> float:
        return self.now.timestamp()
