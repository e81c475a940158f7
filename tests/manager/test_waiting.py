"""Removals that wait, as the polls of a manager move them."""

from pathlib import Path

import pytest

from discovery.manager import Manager
from discovery.metrics import Metrics
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, Mode
from tests.source.conftest import MINUTE, Tailnet

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


class World:
    """A manager whose polls and passes a test makes one by one."""

    def __init__(self, root: Path) -> None:
        (root / "manifests").mkdir()
        (root / "manifests" / "api.yaml").write_text(MANIFEST)
        self.tailnet = Tailnet()
        self.metrics = Metrics()
        store = DirectoryStore([root / "manifests"], root / "out")
        sources = Sources([self.tailnet.source])
        reconciler = Reconciler(store, Planner(sources, "default", Mode.ENFORCE))
        self.manager = Manager(
            store, sources, reconciler, lambda: self.tailnet.now, metrics=self.metrics
        )
        self.manager.look_for_edits()

    async def poll(self) -> set[Key]:
        """Poll, make the passes that it marks, and return for whom."""
        self.tailnet.now += MINUTE
        self.manager._pending.clear()
        await self.manager.poll(self.tailnet.source)
        marked = set(self.manager._pending)
        for key in sorted(marked):
            await self.manager._pass(key)
        return marked

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"tailnet_discovery_{name}", labels)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    await made.poll()
    assert made.value("endpoints") == 25
    return made


async def test_a_list_without_news_marks_whatever_waits(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    assert [await world.poll() for _ in range(4)] == [{API}, {API}, {API}, set()]
    assert world.value("endpoints") == 16


async def test_a_poll_that_failed_marks_nothing_that_waits(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    await world.poll()
    world.tailnet.broken = True
    assert await world.poll() == set()


async def test_what_waits_is_counted_until_it_went(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    await world.poll()
    assert (world.value("endpoints_held"), world.value("resources_blocked")) == (9, 1)
    for _ in range(2):
        await world.poll()
    assert (world.value("endpoints_held"), world.value("resources_blocked")) == (0, 0)


async def test_removals_are_counted_by_their_cause(world: World) -> None:
    world.tailnet.there -= {"n00", "n01"}
    await world.poll()
    assert world.value("removals_total", cause="Absent") == 2


async def test_questions_are_counted_by_their_answer(world: World) -> None:
    world.tailnet.there -= {"n00", "n01"}
    await world.poll()
    counted = {"tailnet": "company.ts.net", "answer": "gone"}
    assert world.value("device_questions_total", **counted) == 2


async def test_a_disproved_list_is_counted_as_incomplete(world: World) -> None:
    world.tailnet.hidden = {"n00"}
    for _ in range(2):
        await world.poll()
    counted = {"tailnet": "company.ts.net", "result": "ListIncomplete"}
    assert world.value("polls_total", **counted) == 1
    assert world.value("endpoints") == 25
