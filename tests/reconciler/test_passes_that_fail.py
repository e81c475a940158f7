"""What a pass that fails leaves behind: nothing is forgotten, and nothing goes unsaid."""

import logging
from collections.abc import Sequence

import pytest

from discovery.plan.changes import Change
from discovery.stores import Children, StoreError, WriteError
from discovery.v1alpha1 import Key
from tests.reconciler.conftest import World


async def test_a_pass_that_failed_does_not_make_the_tailnet_forget_its_loss(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreadable(_key: Key) -> Children:
        raise StoreError("the API server is down")

    world.tailnet.there -= {f"n{n:02}" for n in range(14)}
    world.tailnet.silent = {"n13"}
    await world.turn()
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "children", unreadable)
        with pytest.raises(StoreError):
            await world.turn()
    for _ in range(4):
        await world.turn()
    assert len(world.names()) == 25


async def test_a_removal_whose_answer_was_lost_has_its_line(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    apply = world.store.apply

    async def lossy(key: Key, groups: Sequence[Sequence[Change]]) -> None:
        await apply(key, groups)
        raise WriteError("no answer")

    world.tailnet.there -= {"n00"}
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "apply", lossy)
        with pytest.raises(WriteError):
            await world.turn()
    await world.turn()
    assert "n00" not in world.names()
    (line,) = [vars(r) for r in caplog.records if r.message == "removal not acknowledged"]
    assert (line["node"], line["cause"]) == ("n00", "Absent")
