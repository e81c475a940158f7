"""What the polls of a manager mark, tell and count; how they move removals that wait."""

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
        self.manifests = root / "manifests"
        self.manifests.mkdir()
        (self.manifests / "api.yaml").write_text(MANIFEST)
        self.tailnet = Tailnet()
        self.metrics = Metrics()
        store = DirectoryStore([self.manifests], root / "out")
        sources = Sources([self.tailnet.source])
        reconciler = Reconciler(store, Planner(sources, "default", Mode.ENFORCE))
        self.told: list[tuple[str, bool, str]] = []
        self.manager = Manager(
            store,
            sources,
            reconciler,
            lambda: self.tailnet.now,
            metrics=self.metrics,
            on_freshness=lambda name, now: self.told.append((name, now.fresh, now.reason)),
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


async def test_what_is_kept_for_an_unreadable_entry_is_looked_at_when_that_is_over(
    world: World,
) -> None:
    world.tailnet.there -= {"n00"}
    world.tailnet.extra = [{"nodeId": "n00", "addresses": "broken"}]
    await world.poll()
    assert world.value("endpoints") == 25
    world.tailnet.extra = []
    await world.poll()
    assert world.value("endpoints") == 24


async def test_a_resync_takes_specs_into_the_selections_too(world: World) -> None:
    world.tailnet.source.selection.define({API: None})
    await world.manager.resync()
    assert len(world.tailnet.source.selection.matched(API)) == 25


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


async def test_news_of_freshness_are_told_once_and_a_good_start_is_none(world: World) -> None:
    assert world.told == []
    world.tailnet.hidden = {f"n{n:02}" for n in range(25)}
    for _ in range(3):
        await world.poll()
    world.tailnet.hidden = set()
    for _ in range(2):
        await world.poll()
    assert world.told == [
        ("company.ts.net", False, "EmptyList"),
        ("company.ts.net", True, "Verified"),
    ]


async def test_a_bad_start_is_news(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.tailnet.hidden = {f"n{n:02}" for n in range(25)}
    await world.poll()
    assert world.told == [("company.ts.net", False, "EmptyList")]


async def test_a_verified_list_is_measured(world: World) -> None:
    world.tailnet.bare = {"n00"}
    await world.poll()
    tailnet = {"tailnet": "company.ts.net"}
    assert world.value("source_fresh", **tailnet) == 1
    assert world.value("devices", **tailnet, state="eligible") == 24
    assert world.value("devices_excluded", **tailnet, reason="untagged") == 1
    fetched = world.value("last_verified_list_timestamp_seconds", **tailnet)
    assert fetched == world.tailnet.now.timestamp()


async def test_a_list_that_is_not_verified_leaves_the_last_one_standing(world: World) -> None:
    at = world.tailnet.now
    world.tailnet.hidden = {f"n{n:02}" for n in range(25)}
    await world.poll()
    tailnet = {"tailnet": "company.ts.net"}
    assert world.value("source_fresh", **tailnet) == 0
    assert world.value("last_verified_list_timestamp_seconds", **tailnet) == at.timestamp()


async def test_the_time_of_a_poll_is_measured(world: World) -> None:
    seconds = world.value("poll_duration_seconds_sum", tailnet="company.ts.net")
    assert seconds is not None
    assert 0 < seconds < 10


async def test_a_resource_that_is_ready_and_without_anything_that_waits_is_counted_so(
    world: World,
) -> None:
    assert world.value("resources", ready="true") == 1
    assert (world.value("endpoints_held"), world.value("resources_blocked")) == (0, 0)


async def test_a_resource_that_is_gone_is_counted_no_more(world: World) -> None:
    other = MANIFEST.replace("name: api}", "name: other}").replace("production", "nobody")
    (world.manifests / "other.yaml").write_text(other)
    (world.manifests / "api.yaml").unlink()
    world.manager.look_for_edits()
    for key in sorted(world.manager._pending):
        await world.manager._pass(key)
    assert world.value("endpoints") == 0
    assert world.value("resources", ready="true") == 0


async def test_a_list_that_its_own_poll_disproves_is_no_verified_one(world: World) -> None:
    world.tailnet.hidden = {"n00"}
    await world.poll()
    at = world.tailnet.now
    await world.poll()
    fetched = world.value("last_verified_list_timestamp_seconds", tailnet="company.ts.net")
    assert fetched == at.timestamp()
