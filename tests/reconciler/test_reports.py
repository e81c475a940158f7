"""What a pass writes and announces of itself."""

import logging

import pytest

from discovery.stores import WriteError
from discovery.v1alpha1 import TailscaleEndpoints
from tests.reconciler.conftest import API, MANIFEST, World

ALSO = "n77"


def reports(world: World) -> int:
    return sum(what == "report" for what, _ in world.store.done)


async def test_what_went_is_announced_with_its_cause(world: World) -> None:
    world.tailnet.there = world.tailnet.there - {"n00"} | {ALSO}
    await world.turn()
    assert world.store.said == [
        "Endpoints: 1 added (n77), 1 removed: n00 (missing from the device list)."
    ]


async def test_what_is_only_observed_is_not_announced_as_done(world: World) -> None:
    world.manifest.write_text(MANIFEST + "  mode: Observe\n")
    world.tailnet.there |= {ALSO}
    await world.turn()
    assert world.store.said == []


async def test_what_could_not_be_written_is_not_announced_as_done(world: World) -> None:
    world.tailnet.there |= {ALSO}
    world.store.refuses = True
    with pytest.raises(WriteError):
        await world.turn()
    assert not any("n77" in note for note in world.store.said)


async def test_a_pass_without_news_writes_no_status(world: World) -> None:
    world.reconciler.forget()
    await world.turn()
    assert reports(world) == 0


async def test_a_pass_that_repaired_something_says_so_in_the_status(world: World) -> None:
    slices = world.root / "out/default/api/endpointslices.yaml"
    slices.write_text(slices.read_text().replace("port: 80", "port: 81"))
    world.reconciler.forget()
    await world.turn()
    assert reports(world) == 1


async def test_what_is_only_observed_is_said_once(world: World) -> None:
    world.manifest.write_text(MANIFEST + "  mode: Observe\n")
    world.tailnet.there |= {ALSO}
    counts = []
    for _ in range(2):
        await world.turn()
        counts.append(reports(world))
        world.reconciler.forget()
    assert counts == [1, 0]


async def test_a_refused_write_is_said_in_the_status(world: World) -> None:
    world.tailnet.there |= {ALSO}
    world.store.refuses = True
    with pytest.raises(WriteError):
        await world.turn()
    resource = world.store.get(API)
    assert isinstance(resource, TailscaleEndpoints)
    assert resource.status is not None
    found = {c.type: (c.status, c.reason, c.message) for c in resource.status.conditions}
    status, reason, message = found["EndpointsSynced"]
    assert (status, reason) == ("False", "WriteFailed")
    assert "refused." in message


async def test_each_write_is_one_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.tailnet.there |= {ALSO}
    await world.turn()
    (line,) = [vars(record) for record in caplog.records if record.message == "write"]
    assert (line["resource"], line["action"]) == ("default/api", "update")
    assert line["object"].startswith("EndpointSlice/api-")
