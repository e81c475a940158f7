"""What was recorded is made again: the same bytes, as long as the program decides the same."""

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import yaml

from discovery.plan import guard
from discovery.plan.losses import RemovalCause
from discovery.recorder.replaying import ForeignFormatError, replay
from discovery.stores import Children
from discovery.tailnet import Device
from discovery.v1alpha1 import Key, Mode
from tests.recorder.conftest import API, World, brief


async def test_every_decision_of_a_history_comes_out_byte_for_byte(world: World) -> None:
    net = world.tailnet
    net.there |= {"n30", "n31"}  # gains
    await world.turn()
    net.hidden = {f"n{number:02}" for number in range(12, 25)}  # half a list
    await world.turn(2)
    net.hidden = set()
    net.broken = True
    await world.turn(3)
    net.broken = False
    await world.turn()
    net.there -= {"n00", "n01"}  # within the budget
    await world.turn(4)
    net.there -= {f"n{number:02}" for number in range(2, 16)}  # over it
    await world.turn(2)
    world.approve()
    await world.turn(2)
    await world.restart(tag_keys=["env-production"])  # the configuration changes
    await world.turn(3)
    world.spec = {**world.spec, "discovery": {"ports": [{"name": "http", "port": 8080}]}}
    world.write()
    await world.turn()
    manifest = world.root / "manifests" / "api.yaml"
    manifest.write_text(manifest.read_text().replace("name: api", "name: other"))
    await world.turn()

    made = world.replayed()

    assert [one.problem for one in made if not one.reproduced] == []
    seen = {brief(one) for one in made}
    assert ("", "ListIncomplete 13") in seen
    assert ("Absent 2", "") in seen
    assert ("", "OverBudget 14") in seen
    assert ("Absent 14", "") in seen
    assert any("ConfigChanged" in held for _, held in seen)
    assert brief(made[-1]) == ("ResourceDeleted 11", "")


async def test_a_removal_tells_its_time_its_cause_and_its_evidence(world: World) -> None:
    world.tailnet.there -= {"n07"}
    await world.turn()
    (made,) = [one for one in world.replayed() if one.removed]
    assert (made.time, made.resource) == (world.tailnet.now, API)
    assert [(loss["name"], loss["cause"]) for loss in made.removed] == [("n07", "Absent")]
    assert made.evidence is not None
    assert made.evidence["answers"] == {"n07": None}


async def test_a_changed_guard_makes_another_decision(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tailnet.there -= {f"n{number:02}" for number in range(9)}
    await world.turn()
    assert all(one.reproduced for one in world.replayed())

    def lets_all_go(*case: Any) -> guard.Decision:
        made = guard.decide(*case)
        return replace(made, released=(*made.released, *made.held), held={})

    monkeypatch.setattr("discovery.plan.removal.decide", lets_all_go)

    *before, last = world.replayed()
    assert all(one.reproduced for one in before)
    assert (last.reproduced, last.problem) == (False, "")
    assert "held" in last.differences


async def test_selectors_are_evaluated_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def matches_nothing(*_: Any) -> tuple[Device, ...]:
        return ()

    monkeypatch.setattr("discovery.plan.selection.Selection.matched", matches_nothing)
    assert [one.reproduced for one in world.replayed()] == [False]


async def test_a_pass_without_a_device_list_can_be_made_again(world: World) -> None:
    world.tailnet.broken = True
    world.spec = {**world.spec, "service": {"enabled": False}}
    world.write()
    await world.restart()
    await world.turn(2)
    assert world.records()[-1]["inputs"]["list"] is None
    assert all(one.reproduced for one in world.replayed())


async def test_observed_removals_count_as_none(world: World) -> None:
    await world.restart(mode=Mode.OBSERVE)
    world.tailnet.there -= {"n07"}
    await world.turn()
    last = world.replayed()[-1]
    assert (last.is_observed, last.removed, last.reproduced) == (True, [], True)
    assert [change["action"] for change in last.changes] == ["update"]


async def test_a_write_that_failed_is_told(world: World) -> None:
    world.store.refuses = True
    world.tailnet.there -= {"n07"}
    await world.turn()
    last = world.replayed()[-1]
    assert (last.failure, last.reproduced) == ("the server said no", True)


async def test_an_edit_is_judged_by_its_own_selector(world: World) -> None:
    # The pass reads it before anybody has announced it to the selection.
    world.spec = {**world.spec, "tagSelectors": [{"key": "env", "operator": "DoesNotExist"}]}
    world.write()
    world.store.refresh()
    await world.tailnet.poll()
    made = await world.reconciler.reconcile(API, world.tailnet.now)
    assert made is not None
    assert {loss.cause for loss in made.decision.held} == {RemovalCause.SPEC_CHANGED}


async def test_a_list_that_comes_while_a_device_is_asked_for_is_the_one_referred_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = world.tailnet
    ask = net.source.ask

    async def ask_late(nodes: Collection[str]) -> bool:
        net.there |= {"n30"}
        await net.poll()
        return await ask(nodes)

    monkeypatch.setattr(net.source, "ask", ask_late)
    net.there -= {"n07"}
    await world.turn()
    last = world.replayed()[-1]
    assert (last.reproduced, [loss["name"] for loss in last.removed]) == (True, ["n07"])
    assert last.listed is not None
    assert last.listed["fetchedAt"] == "2026-11-25T12:03:00Z"


async def test_a_resource_that_goes_during_its_pass_is_selected_for_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = world.root / "manifests" / "api.yaml"
    children = world.store.children

    async def goes(key: Key) -> Children:
        manifest.write_text(manifest.read_text().replace("name: api", "name: other"))
        world.reconciler.define(world.store.refresh())
        monkeypatch.undo()
        return await children(key)

    monkeypatch.setattr(world.store, "children", goes)
    world.reconciler.forget()
    with suppress(KeyError):  # a folder has forgotten the manifest by the time of the report
        await world.reconciler.reconcile(API, world.tailnet.now)
    await world.reconciler.reconcile(API, world.tailnet.now)
    world.tailnet.there |= {"n30"}
    assert API not in await world.tailnet.source.poll(world.tailnet.now)


async def test_a_decision_whose_list_is_lost_is_not_called_reproduced(world: World) -> None:
    kept = [record for record in world.records() if record["kind"] != "list"]
    (made,) = replay(kept)
    assert (made.reproduced, made.problem) == (False, "its device list is not recorded")


async def test_a_difference_to_a_list_that_is_lost_says_nothing(world: World) -> None:
    for number in (30, 31):
        world.tailnet.there |= {f"n{number}"}
        await world.turn()
    records = world.records()
    records.remove([record for record in records if record["kind"] == "list"][1])
    assert [one.problem for one in replay(records)] == [
        "",
        "its device list is not recorded",
        "its device list is not recorded",
    ]


async def test_an_endpoint_that_got_another_name_is_renamed(world: World) -> None:
    there = world.tailnet.there
    world.tailnet.there = there - {"n07"}
    world.tailnet.extra = [
        {
            "nodeId": "n07",
            "name": "fresh.company.ts.net",
            "addresses": ["100.64.0.8"],
            "tags": ["tag:env-production"],
        }
    ]
    await world.turn()
    assert world.replayed()[-1].removed == [{"name": "n07", "cause": "Renamed"}]


async def test_a_strangers_service_takes_the_slices_away(world: World) -> None:
    service = world.root / "out" / "default" / "api" / "service.yaml"
    text = service.read_text().replace("app.kubernetes.io/managed-by", "somebody")
    document = yaml.safe_load(text)
    document["metadata"].pop("ownerReferences")
    service.write_text(yaml.safe_dump(document))
    world.reconciler.forget()
    await world.turn()
    last = world.replayed()[-1]
    assert {loss["cause"] for loss in last.removed} == {"ServiceConflict"}
    assert (len(last.removed), last.reproduced) == (25, True)


async def test_records_of_another_format_are_refused(world: World) -> None:
    first, *rest = world.records()
    with pytest.raises(ForeignFormatError, match=r"format 2, of version 1\.2\.3"):
        replay([first | {"format": 2}, *rest])


async def test_inputs_that_make_no_sense_are_a_problem_of_that_decision(world: World) -> None:
    text = json.dumps(world.records()).replace('"TailscaleEndpoints"', '"Potato"')
    (made,) = replay(json.loads(text))
    assert made.problem.startswith("the inputs can not be read: ")
