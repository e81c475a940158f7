"""What a process takes over from the one before it, and lets go of with a resource."""

import pytest

from discovery.plan.policy import TailnetPolicy
from discovery.planner import Planner, Sources, remember
from discovery.source import Source
from discovery.stores import UnreadableResource
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, Mode, TailscaleEndpoints
from tests.reconciler.conftest import API, MANIFEST, World
from tests.source.conftest import MINUTE, Tailnet

LOST = [f"n{number:02}" for number in range(9)]


async def successor(world: World) -> Tailnet:
    """Begin a process that knows what the slices and the status say, and nobody answers it."""
    made = Tailnet()
    made.there, made.now = world.tailnet.there, world.tailnet.now
    made.silent = {f"n{number:02}" for number in range(25)}
    world.tailnet = made
    world.start()
    world.store.refresh()
    await remember(world.store, Sources([made.source]))
    return made


async def test_who_was_gone_is_known_to_be_gone(world: World) -> None:
    world.tailnet.there -= set(LOST)
    await world.turn()
    made = await successor(world)
    assert made.source.evidence().answers == dict.fromkeys(LOST)


async def test_who_gave_no_answer_is_not(world: World) -> None:
    world.tailnet.silent = set(LOST)
    world.tailnet.there -= set(LOST)
    await world.turn()
    made = await successor(world)
    assert made.source.evidence().answers == {}


async def test_who_only_looks_different_is_not(world: World) -> None:
    world.tailnet.bare = set(LOST)
    await world.turn()
    resource = world.store.get(API)
    assert isinstance(resource, TailscaleEndpoints)
    assert resource.status is not None
    assert resource.status.removal is not None
    (batch,) = resource.status.removal.waiting
    assert (batch.cause, batch.confirmed) == ("Untagged", True)
    made = await successor(world)
    assert made.source.evidence().answers == {}


async def test_a_loss_of_the_tailnet_that_was_confirmed_goes_on(world: World) -> None:
    world.tailnet.there -= {f"n{number:02}" for number in range(13)}
    await world.turn()
    await successor(world)
    for _ in range(2):
        await world.turn()
    assert len(world.names()) == 12


async def test_a_file_is_told_what_slices_know(world: World) -> None:
    policy = TailnetPolicy("company.ts.net", ("company.ts.net",))
    source = Source(policy, world.tailnet, MINUTE)
    await remember(world.store, Sources([source]))
    assert source.tagged == world.tailnet.there


class Slipped(DirectoryStore):
    """A store in which one resource slipped past an older CRD."""

    def get(  # type: ignore[override]  # only a cluster has such resources
        self, key: Key
    ) -> TailscaleEndpoints | UnreadableResource | None:
        resource = super().get(key)
        if key.name == "aaa" and isinstance(resource, TailscaleEndpoints):
            return UnreadableResource(key, resource.metadata, None, "spec is wrong")
        return resource


async def test_a_resource_that_can_not_be_read_keeps_nothing_from_the_others(
    world: World,
) -> None:
    other = MANIFEST.replace("name: api}", "name: aaa}")
    (world.root / "manifests" / "aaa.yaml").write_text(other)
    store = Slipped([world.root / "manifests"], world.root / "out")
    store.refresh()
    await remember(store, Sources([world.tailnet.source]))
    assert world.tailnet.source.tagged == world.tailnet.there


async def test_a_resource_of_no_tailnet_keeps_nothing_from_the_others(world: World) -> None:
    other = MANIFEST.replace("name: api}", "name: aaa}").replace("company.ts.net", "other.ts.net")
    (world.root / "manifests" / "aaa.yaml").write_text(other)
    world.store.refresh()
    await remember(world.store, Sources([world.tailnet.source]))
    assert world.tailnet.source.tagged == world.tailnet.there


async def test_a_resource_that_came_is_touched_by_the_next_list(world: World) -> None:
    planner = Planner(Sources([Tailnet().source]), "default", Mode.ENFORCE)
    planner.define({API: world.store.get(API)})
    (source,) = planner.sources
    assert await source.poll(world.tailnet.now) == {API}


@pytest.mark.parametrize("how", ["gone", "of another tailnet"])
async def test_a_resource_that_left_is_not(world: World, how: str) -> None:
    planner = Planner(Sources([Tailnet().source]), "default", Mode.ENFORCE)
    resource = world.store.get(API)
    assert isinstance(resource, TailscaleEndpoints)
    moved = resource.model_copy(
        update={"spec": resource.spec.model_copy(update={"tailnet": "other.ts.net"})}
    )
    planner.define({API: resource})
    planner.define({API: None if how == "gone" else moved})
    (source,) = planner.sources
    assert await source.poll(world.tailnet.now) == set()


async def test_a_resource_of_the_same_name_begins_with_nothing(world: World) -> None:
    resource = world.store.get(API)
    assert isinstance(resource, TailscaleEndpoints)
    world.planner.define({API: None})
    inputs = world.planner.inputs(resource, await world.store.children(API), world.tailnet.now)
    assert inputs is not None
    assert inputs.seen.before == {}


async def test_a_resource_without_a_status_keeps_nothing_from_the_others(world: World) -> None:
    other = MANIFEST.replace("name: api}", "name: aaa}")
    (world.root / "manifests" / "aaa.yaml").write_text(other)
    world.store.refresh()
    await remember(world.store, Sources([world.tailnet.source]))
    assert world.tailnet.source.tagged == world.tailnet.there
