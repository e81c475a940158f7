"""One replica of the controller in the test's own process, and what it logs as it comes."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from discovery.clients.inventory import InventoryFile
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.events import EventRecorder, Regarding
from discovery.clients.kube.lease import Elector, Timing
from discovery.clients.kube.resources import TAILSCALE_ENDPOINTS
from discovery.controller import Controller
from discovery.manager import Manager
from discovery.metrics import Metrics
from discovery.plan.announcements import Announcement
from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.stores.cluster import ClusterStore, Resource
from discovery.v1alpha1 import Mode
from tagselectors import TagGrammar

FLEET: Final = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"
POLICY: Final = TailnetPolicy(
    "company.ts.net", ("company.ts.net",), grammar=TagGrammar(["service-type"])
)


class Log(logging.Handler):
    """The lines that the program logs, each with its fields behind it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        known = ("resource", "object", "permission", "lease", "problem", "retry", "tailnet")
        fields = [f"{name}={vars(record)[name]}" for name in known if name in vars(record)]
        self.lines.append(" ".join([record.levelname, record.getMessage(), *fields]))
        self._news.set()

    def having(self, *words: str) -> list[str]:
        """The lines so far with all of these words."""
        return [line for line in self.lines if all(word in line for word in words)]

    async def says(self, *words: str, times: int = 1, within: float = 20) -> str:
        """Wait until so many lines have all of these words; return the last of them."""
        try:
            async with asyncio.timeout(within):
                while len(found := self.having(*words)) < times:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {times} lines with {words} in {self.lines}") from None
        return found[times - 1]


@dataclass
class Replica:
    """What a replica is made of. ``said`` is what it told of resources."""

    client: KubeClient
    namespace: str
    timing: Timing = field(default_factory=Timing)
    inventory: Path = FLEET
    said: list[tuple[str, Announcement]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        identity = f"replica-{secrets.token_hex(4)}"
        self.elector = Elector(
            self.client, self.namespace, "tailnet-discovery", identity, self.timing
        )
        self.recorder = EventRecorder(self.client, instance=identity)
        self.metrics = Metrics()
        self.store = ClusterStore(
            self.client,
            "default",
            namespace=self.namespace,
            may_write=self.elector.valid,
            tell=self._tell,
            metrics=self.metrics,
        )
        self.source = Source(POLICY, InventoryFile(self.inventory), timedelta(minutes=1))
        self.sources = Sources([self.source])
        reconciler = Reconciler(self.store, Planner(self.sources, "default", Mode.ENFORCE))
        self.manager = Manager(self.store, self.sources, reconciler, metrics=self.metrics)
        self.controller = Controller(
            self.client, self.store, self.elector, self.metrics, self.namespace
        )

    async def run(self) -> None:
        await self.controller.run(self.manager, self.sources, self.stop, [self.recorder.run()])

    def _tell(self, resource: Resource, said: Announcement) -> None:
        self.said.append((resource.key.name, said))
        key, uid = resource.key, resource.metadata.uid
        about = Regarding(
            TAILSCALE_ENDPOINTS.api_version, TAILSCALE_ENDPOINTS.kind, key.namespace, key.name, uid
        )
        kind: Literal["Normal", "Warning"] = "Warning" if said.is_warning else "Normal"
        self.recorder.record(about, kind, said.reason, said.action, said.note)


@asynccontextmanager
async def running(
    kubeconfig: Path,
    namespace: str,
    *,
    timing: Timing | None = None,
    quiet: float | None = None,
) -> AsyncIterator[tuple[Replica, asyncio.Task[None]]]:
    """Run a replica, and stop it in order unless it has ended by itself.

    ``quiet`` is how many seconds without a byte end a watch, instead of a minute and a half.
    """
    async with connect(kubeconfig) as client:
        if quiet is not None:
            client._quiet = quiet
        replica = Replica(client, namespace, timing or Timing())
        task = asyncio.create_task(replica.run())
        try:
            yield replica, task
        finally:
            replica.stop.set()
            await asyncio.wait([task])
