"""A resource that selects every device of a tailnet, in a directory that keeps what was done."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.plan.announcements import Announcement
from discovery.plan.changes import Change
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.stores import WriteError
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, Mode
from discovery.v1alpha1_status import TailscaleEndpointsStatus
from tests.source.conftest import Tailnet

API = Key("default", "api")
MANIFEST = """\
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata: {name: api}
spec:
  tailnet: company.ts.net
  tagSelectors: [{key: env, operator: In, values: [production]}]
  discovery: {ports: [{name: http, port: 80}]}
"""


class Store(DirectoryStore):
    """A directory that keeps what was done to it in order, and refuses children on demand."""

    def __init__(self, manifests: Path, out: Path) -> None:
        super().__init__([manifests], out)
        self.done: list[tuple[str, Any]] = []
        self.said: list[str] = []
        self.refuses = False

    async def apply(self, key: Key, groups: Sequence[Sequence[Change]]) -> None:
        self.done.append(("apply", [change.name for group in groups for change in group]))
        if self.refuses:
            raise WriteError("refused")
        await super().apply(key, groups)

    async def report(self, key: Key, status: TailscaleEndpointsStatus) -> None:
        removal = status.removal.to_object() if status.removal else {}
        self.done.append(("report", removal))
        await super().report(key, status)

    def announce(self, key: Key, said: Announcement) -> None:
        self.said.append(said.note)
        super().announce(key, said)


class World:
    """A resource that selects every device of the tailnet, and what a process makes of it."""

    def __init__(self, root: Path, tailnet: Tailnet) -> None:
        self.root, self.tailnet = root, tailnet
        (root / "manifests").mkdir()
        self.manifest = root / "manifests" / "api.yaml"
        self.manifest.write_text(MANIFEST)
        self.start()

    def start(self) -> None:
        """Begin a process."""
        self.store = Store(self.root / "manifests", self.root / "out")
        sources = Sources([self.tailnet.source])
        self.planner = Planner(sources, "default", Mode.ENFORCE)
        self.reconciler = Reconciler(self.store, self.planner)

    async def turn(self) -> None:
        self.store.done.clear()
        self.store.said.clear()
        self.reconciler.define(self.store.refresh())
        await self.tailnet.poll()
        try:
            await self.reconciler.reconcile(API, self.tailnet.now)
        finally:
            await self.store.flush()

    def names(self) -> set[str]:
        file = self.root / "out/default/api/endpointslices.yaml"
        text = file.read_text() if file.exists() else ""
        return {e["hostname"] for one in yaml.safe_load_all(text) for e in one["endpoints"]}


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path, Tailnet())
    await made.turn()
    assert len(made.names()) == 25
    return made
