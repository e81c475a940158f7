"""One controller of a chaos run, in a process of its own: the program's parts, by a driven clock.

It is composed as ``run`` composes a replica. Only time is another: the driver says when to poll,
pauses of the client of the control plane pass at once, and passes that are to be repeated are, as
soon as the clock comes to it. Standard input has one command per line, standard output one message.
"""

import asyncio
import heapq
import json
import logging
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from discovery import __version__
from discovery.clients.exchange import new_http
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.events import EventRecorder, Regarding
from discovery.clients.kube.lease import Elector, LeadershipLostError, Timing
from discovery.clients.kube.resources import TAILSCALE_ENDPOINTS
from discovery.clients.retrying import Patience
from discovery.clients.tailscale import TailscaleClient
from discovery.controller import Controller
from discovery.manager import TOGETHER, Manager
from discovery.plan.announcements import Announcement
from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.recorder import Recorder, Ring
from discovery.settings.credentials import ApiKey
from discovery.source import Source
from discovery.stores.cluster import ClusterStore, Resource
from discovery.v1alpha1 import Key, Mode, TailscaleEndpoints
from tagselectors import TagGrammar
from tests.chaos.clock import DrivenClock
from tests.chaos.world import DOMAIN

INTERVAL: Final = timedelta(seconds=60)
UNTIL_NEXT: Final = timedelta(seconds=50)
PATIENCE: Final = timedelta(seconds=2)
FASTER: Final = 20  # times as fast as they are, watches are tried again


@dataclass(frozen=True, slots=True)
class Role:
    """What a worker is told: where its servers are, and who it is.

    ``records`` is the folder for its decisions; ``lease`` is in seconds.
    """

    identity: str
    namespace: str
    kubeconfig: str
    records: str
    tailnet: str
    api_key: str
    lease: tuple[float, float, float]
    seed: int


def say(**message: Any) -> None:
    """Send the driver one message."""
    os.write(1, json.dumps(message).encode() + b"\n")


class DrivenManager(Manager):
    """A manager whose polls are the driver's, and whose delays are in the driver's time.

    ``defined`` is the generation of each resource that the selections know.
    """

    def __init__(
        self, store: ClusterStore, sources: Sources, reconciler: Reconciler, clock: DrivenClock
    ) -> None:
        super().__init__(store, sources, reconciler, clock)
        self.clock = clock
        self.defined: dict[str, int] = {}
        self._later: list[tuple[datetime, Key]] = []

    async def run(self, stop: asyncio.Event) -> None:
        say(leads=True)
        self._note(self._store.keys())
        await super().run(stop)

    def look_for_edits(self) -> set[Key]:
        changed = super().look_for_edits()
        self._note(changed)
        return changed

    async def turn(self, source: Source) -> set[Key]:
        """Poll, and make every pass until shortly before the next poll; return what failed."""
        end = self.clock.after(UNTIL_NEXT)
        await self.poll(source)
        await self._settle()
        while self._later and self._later[0][0] <= end:
            self.clock.now = max(self.clock.now, self._later[0][0])
            due = {heapq.heappop(self._later)[1]}
            while self._later and self._later[0][0] <= self.clock.now:
                due.add(heapq.heappop(self._later)[1])
            self._mark(due)
            await self._settle()
        return set(self._failures)

    def _note(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if isinstance(resource := self._store.get(key), TailscaleEndpoints):
                self.defined[key.name] = resource.metadata.generation

    async def _settle(self) -> None:
        while self._pending or self._busy or self._looking:
            self._idle.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), TOGETHER.total_seconds())

    async def _poll_until_stopped(self, source: Source) -> None:
        """Leave it to the driver."""

    def _mark_later(self, key: Key, delay: timedelta) -> None:
        heapq.heappush(self._later, (self.clock.after(delay), key))


class Replica:
    """A controller and what it is made of."""

    def __init__(self, role: Role, client: KubeClient, source: Source, clock: DrivenClock) -> None:
        self.stop = asyncio.Event()
        self.source = source
        elector = Elector(
            client, role.namespace, "tailnet-discovery", role.identity, Timing(*role.lease)
        )
        self._recorder = EventRecorder(client, instance=role.identity)
        self._store = ClusterStore(
            client, "default", namespace=role.namespace, may_write=elector.valid, tell=self._tell
        )
        self._sources = Sources([source])
        recorder = Recorder(Ring(Path(role.records), version=__version__))
        planner = Planner(self._sources, "default", Mode.ENFORCE, recorder)
        planner.leads = elector.is_alone
        reconciler = Reconciler(self._store, planner)
        self.manager = DrivenManager(self._store, self._sources, reconciler, clock)
        metrics = self.manager._metrics
        self._controller = Controller(client, self._store, elector, metrics, role.namespace)
        for watcher in self._controller._watchers.values():
            watcher._sleep = _sleep_less

    async def run(self) -> None:
        background = [self._recorder.run()]
        await self._controller.run(self.manager, self._sources, self.stop, background)

    def _tell(self, resource: Resource, said: Announcement) -> None:
        key, uid = resource.key, resource.metadata.uid
        about = Regarding(
            TAILSCALE_ENDPOINTS.api_version, TAILSCALE_ENDPOINTS.kind, key.namespace, key.name, uid
        )
        kind: Any = "Warning" if said.is_warning else "Normal"
        self._recorder.record(about, kind, said.reason, said.action, said.note)


async def _sleep_less(seconds: float) -> None:
    await asyncio.sleep(seconds / FASTER)


@asynccontextmanager
async def _replica(role: Role) -> AsyncIterator[Replica]:
    clock = DrivenClock(datetime(2027, 1, 1, tzinfo=UTC))
    async with connect(Path(role.kubeconfig)) as cluster, new_http() as http:
        cluster.namespace = role.namespace
        cluster._patience = Patience(PATIENCE)
        patience = Patience(PATIENCE, clock.monotonic, clock, clock.sleep)
        key = ApiKey(SecretStr(role.api_key))
        tailnet = TailscaleClient(http, lambda: key, base_url=role.tailnet, patience=patience)
        policy = TailnetPolicy(DOMAIN, (DOMAIN,), grammar=TagGrammar(["env", "role", "zone"]))
        yield Replica(role, cluster, Source(policy, tailnet, INTERVAL, tailnet.device), clock)


async def _obey(replica: Replica, lines: asyncio.StreamReader) -> None:
    """Carry out the driver's commands until it closes the pipe."""
    while line := await lines.readline():
        command = json.loads(line)
        replica.manager.clock.now = datetime.fromisoformat(command["poll"])
        failed = await replica.manager.turn(replica.source)
        retried = sorted(key.name for key in failed)
        say(done=command["poll"], retried=retried, seen=replica.manager.defined)
    replica.stop.set()


async def _main(role: Role) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with _replica(role) as replica:
        loop.add_signal_handler(signal.SIGTERM, replica.stop.set)
        obeying = asyncio.create_task(_obey(replica, lines))
        try:
            await replica.run()
        finally:
            obeying.cancel()


class _Lines(logging.Formatter):
    """One line per record, with what was given beside the message."""

    KNOWN: Final = (
        *("resource", "object", "action", "endpoint", "node", "nodes", "cause", "evidence"),
        *("problem", "retry", "tailnet", "identity"),
    )

    def format(self, record: logging.LogRecord) -> str:
        said = [f"{n}={vars(record)[n]}" for n in self.KNOWN if n in vars(record)]
        return " ".join([super().format(record), *said])


def main(arguments: Callable[[], str] = lambda: sys.argv[1]) -> int:
    """Be a worker until stopped; 3 says that leadership was lost."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger("discovery").addHandler(handler)
    logging.getLogger("discovery").setLevel(logging.INFO)
    role = Role(**json.loads(arguments()))
    random.seed(role.seed)
    try:
        asyncio.run(_main(role))
    except LeadershipLostError:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
