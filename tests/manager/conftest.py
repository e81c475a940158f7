"""A manager over manifests named by letters, in a store whose passes a test can hold up."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from discovery.clients.inventory import InventoryFile
from discovery.manager import Manager
from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.stores import Children
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, Mode

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"
HOUR = timedelta(hours=1)
MANIFEST = """\
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata: {{name: {name}}}
spec:
  tailnet: company.ts.net
  tagSelectors: [{{key: env, operator: In, values: [production]}}]
  discovery: {{ports: [{{name: http, port: {port}}}]}}
"""


class GatedStore(DirectoryStore):
    """A directory in which a test can hold up or break the passes of single resources."""

    def __init__(self, manifests: Path, out: Path) -> None:
        super().__init__([manifests], out)
        self.gates: dict[Key, asyncio.Event] = {}
        self.errors: dict[Key, Exception] = {}
        self.passes: list[Key] = []
        self.inside: list[Key] = []
        self.most_inside = 0
        self.happened = asyncio.Condition()

    async def children(self, key: Key) -> Children:
        self.passes.append(key)
        self.inside.append(key)
        self.most_inside = max(self.most_inside, self.inside.count(key))
        await self._tell()
        try:
            if key in self.gates:
                await self.gates[key].wait()
            if key in self.errors:
                raise self.errors[key]
            return await super().children(key)
        finally:
            self.inside.remove(key)

    async def flush(self) -> None:
        await super().flush()
        await self._tell()

    async def _tell(self) -> None:
        async with self.happened:
            self.happened.notify_all()

    async def until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.happened:
            await self.happened.wait_for(fact)


class World:
    """A manager over manifests named by letters, and a tailnet in a file."""

    def __init__(self, root: Path, *names: str) -> None:
        self.manifests = root / "manifests"
        self.manifests.mkdir()
        for name in names:
            self.write(name)
        self.list = root / "devices.json"
        self.list.write_text(FLEET.read_text())
        self.out = root / "out"
        policy = TailnetPolicy("company.ts.net", ("company.ts.net",))
        self.source = Source(policy, InventoryFile(self.list), HOUR)
        self.store = GatedStore(self.manifests, self.out)
        sources = Sources([self.source])
        reconciler = Reconciler(self.store, Planner(sources, "default", Mode.ENFORCE))
        self.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
        self.manager = Manager(self.store, sources, reconciler, lambda: self.now)

    def write(self, name: str, port: int = 80) -> None:
        (self.manifests / f"{name}.yaml").write_text(MANIFEST.format(name=name, port=port))

    def has(self, name: str) -> bool:
        return (self.out / "default" / name / "status.yaml").exists()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.manager.run(stop))
        yield task
        stop.set()
        await task


def key(name: str) -> Key:
    return Key("default", name)


def fields(records: list[logging.LogRecord], message: str) -> list[Mapping[str, Any]]:
    return [vars(record) for record in records if record.message == message]
