"""A resource over a tailnet in memory, with a recorder, a clock of its own, and restarts."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.plan.changes import Change
from discovery.plan.guard import APPROVAL_ANNOTATION
from discovery.planner import Planner, Sources, remember
from discovery.reconciler import Reconciler
from discovery.recorder import Recorder, Ring
from discovery.recorder.replaying import Replayed, replay
from discovery.recorder.ring import records, segments
from discovery.source import Source
from discovery.stores import WriteError
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, Mode
from tagselectors import TagGrammar
from tests.source.conftest import MINUTE, Tailnet

API = Key("default", "api")
SPEC: dict[str, Any] = {
    "tailnet": "company.ts.net",
    "tagSelectors": [{"key": "env", "operator": "In", "values": ["production"]}],
    "discovery": {"ports": [{"name": "http", "port": 80}]},
}


class Store(DirectoryStore):
    """A directory that refuses children on demand."""

    refuses = False

    async def apply(self, key: Key, groups: Sequence[Sequence[Change]]) -> None:
        if self.refuses:
            raise WriteError("the server said no")
        await super().apply(key, groups)


class World:
    """What a process sees and records; ``ring`` is its folder."""

    def __init__(self, root: Path, max_bytes: int = 64 * 2**20) -> None:
        self.root, self.ring, self.max_bytes = root, root / "ring", max_bytes
        self.tailnet = Tailnet()
        self.annotations: dict[str, str] = {}
        self.spec = dict(SPEC)
        (root / "manifests").mkdir()
        self.recorder = Recorder()
        self.start()

    def start(self, *, tag_keys: Iterable[str] = (), mode: Mode = Mode.ENFORCE) -> None:
        """Begin a process, in the place of the one before."""
        self.recorder.close()
        self.recorder = Recorder(Ring(self.ring, self.max_bytes, "1.2.3"))
        old = self.tailnet.source
        policy = replace(old.policy, grammar=TagGrammar(tag_keys))
        self.tailnet.source = Source(policy, self.tailnet, MINUTE, self.tailnet.device)
        sources = Sources([self.tailnet.source])
        self.store = Store([self.root / "manifests"], self.root / "out")
        self.planner = Planner(sources, "default", mode, self.recorder)
        self.reconciler = Reconciler(self.store, self.planner)

    async def restart(self, **options: Any) -> None:
        self.start(**options)
        self.store.refresh()
        await remember(self.store, self.planner.sources)

    def write(self) -> None:
        metadata = {"name": "api", "namespace": "default", "annotations": self.annotations}
        document = {
            "apiVersion": "gateway.tailscale.com/v1alpha1",
            "kind": "TailscaleEndpoints",
            "metadata": metadata,
            "spec": self.spec,
        }
        (self.root / "manifests" / "api.yaml").write_text(yaml.safe_dump(document))

    async def turn(self, times: int = 1) -> None:
        """Poll and make a pass, a minute later each time."""
        for _ in range(times):
            self.reconciler.define(self.store.refresh())
            await self.tailnet.poll()
            with suppress(WriteError):
                await self.reconciler.reconcile(API, self.tailnet.now)
            await self.store.flush()

    def approve(self) -> None:
        status = self.store.get(API).status  # type: ignore[union-attr]
        self.annotations[APPROVAL_ANNOTATION] = status.removal.plan  # type: ignore[union-attr]
        self.write()

    def records(self) -> list[dict[str, Any]]:
        return [r for name in segments(self.ring) for r in records(name.read_bytes())]

    def kinds(self) -> list[str]:
        return [record["kind"] for record in self.records()]

    def size(self) -> int:
        return sum(name.stat().st_size for name in segments(self.ring))

    def replayed(self) -> list[Replayed]:
        return replay(self.records())


@pytest.fixture
async def world(tmp_path: Path) -> World:
    """A resource with twenty-five endpoints."""
    made = World(tmp_path)
    made.write()
    await made.turn()
    return made


def brief(made: Replayed) -> tuple[str, str]:
    """Return what a decision removed and held, by cause and reason."""

    def counted(losses: Sequence[Any], by: str) -> str:
        found = [loss[by] for loss in losses]
        return ", ".join(f"{word} {found.count(word)}" for word in sorted(set(found)))

    return counted(made.removed, "cause"), counted(made.held, "reason")
