"""Removals on their way through a pass: asked for, written down, carried out, logged."""

import logging
from pathlib import Path

import pytest

from discovery.planner import Sources, remember
from discovery.stores import WriteError
from tests.reconciler.conftest import API, MANIFEST, World
from tests.source.conftest import Tailnet


async def test_a_pass_asks_and_removes_in_one_go(world: World) -> None:
    world.tailnet.there -= {"n00"}
    await world.turn()
    assert world.tailnet.asked == ["n00"]
    assert "n00" not in world.names()


async def test_what_goes_is_written_down_before_it_goes(world: World) -> None:
    world.tailnet.there -= {"n00"}
    await world.turn()
    (first, intent), (second, _), (third, after) = world.store.done
    assert (first, second, third) == ("report", "apply", "report")
    assert [entry["nodes"] for entry in intent["removed"]] == [["n00"]]
    assert [batch["nodes"] for batch in intent["waiting"]] == [["n00"]]
    assert (after["waiting"], after["total"]) == ([], 0)


async def test_a_pass_without_a_removal_writes_status_once(world: World) -> None:
    world.tailnet.there |= {"n77"}
    await world.turn()
    assert [what for what, _ in world.store.done] == ["apply", "report"]


async def test_a_removal_that_was_not_written_is_not_forgotten(world: World) -> None:
    world.tailnet.there -= {"n00"}
    world.store.refuses = True
    with pytest.raises(WriteError):
        await world.turn()
    memory = world.store.done[-1][1]
    assert [batch["nodes"] for batch in memory["waiting"]] == [["n00"]]
    world.store.refuses = False
    await world.turn()
    assert "n00" not in world.names()


async def test_each_removal_is_one_line_with_its_cause_and_evidence(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.tailnet.there -= {"n00"}
    await world.turn()
    (line,) = [vars(r) for r in caplog.records if r.message == "endpoint removed"]
    assert {k: line[k] for k in ("resource", "endpoint", "node", "cause", "evidence")} == {
        "resource": "default/api",
        "endpoint": "n00",
        "node": "n00",
        "cause": "Absent",
        "evidence": "not in the device list",
    }


async def test_the_end_of_a_resource_is_logged_endpoint_by_endpoint(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    other = MANIFEST.replace("name: api}", "name: other}")
    (world.root / "manifests" / "other.yaml").write_text(other)
    world.manifest.unlink()
    await world.turn()
    lines = [vars(r) for r in caplog.records if r.message == "endpoint removed"]
    assert len(lines) == 25
    assert {line["cause"] for line in lines} == {"ResourceDeleted"}


async def test_what_waits_is_known_and_is_over_when_it_is(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    await world.turn()
    assert world.reconciler.waiting_on(world.tailnet.source) == {API}
    world.tailnet.there |= {f"n{n:02}" for n in range(9)}
    await world.turn()
    assert world.reconciler.waiting_on(world.tailnet.source) == set()


async def test_a_resource_that_goes_waits_for_nothing(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    await world.turn()
    world.planner.define({API: None})
    assert world.reconciler.waiting_on(world.tailnet.source) == set()


async def test_an_unchanged_list_is_still_counted_for_what_waits(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    for expected in (25, 25, 16):
        await world.turn()
        assert len(world.names()) == expected


async def test_an_edit_is_judged_by_the_devices_as_they_last_were(world: World) -> None:
    world.manifest.write_text(MANIFEST.replace("[production]", "[staging]"))
    await world.turn()
    (memory,) = [removal for what, removal in world.store.done if what == "report"]
    assert [batch["cause"] for batch in memory["waiting"]] == ["SpecChanged"]


async def test_an_edit_after_a_restart_is_judged_by_the_list(world: World) -> None:
    world.manifest.write_text(MANIFEST.replace("[production]", "[staging]"))
    world.start()
    await world.turn()
    (memory,) = [removal for what, removal in world.store.done if what == "report"]
    assert {batch["cause"] for batch in memory["waiting"]} == {"Untagged"}


async def test_a_trivial_edit_while_something_waits_releases_nothing(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    await world.turn()
    world.manifest.write_text(MANIFEST.replace("port: 80", "port: 81"))
    await world.turn()
    assert len(world.names()) == 25


async def test_a_process_takes_over_what_the_one_before_was_told(
    world: World, tmp_path: Path
) -> None:
    lost = sorted(world.tailnet.there)[:9]
    world.tailnet.there -= set(lost)
    await world.turn()
    again = Tailnet()
    again.there, again.now = world.tailnet.there, world.tailnet.now
    again.silent = set(lost)
    world.tailnet = again
    world.start()
    world.store.refresh()
    await remember(world.store, Sources([again.source]))
    assert again.source.tagged >= set(lost)
    await world.turn()
    await world.turn()
    assert len(world.names()) == 16


async def test_a_planner_whose_old_leader_may_still_write_removes_nothing(world: World) -> None:
    world.planner.leads = lambda: False
    world.tailnet.there -= {"n00"}
    await world.turn()
    assert "n00" in world.names()
    world.planner.leads = lambda: True
    await world.turn()
    assert "n00" not in world.names()


async def test_what_was_answered_is_not_asked_again_while_it_waits(world: World) -> None:
    world.manifest.write_text(MANIFEST + "    removal: {confirmations: 9}\n")
    world.tailnet.bare = {f"n{n:02}" for n in range(9)}
    asked = []
    for _ in range(4):
        await world.turn()
        asked.append(len(world.tailnet.asked))
    assert asked == [9, 0, 0, 0]


async def test_a_device_whose_entry_can_not_be_read_stays_whatever_it_answers(
    world: World,
) -> None:
    world.tailnet.there -= {"n00"}
    world.tailnet.extra = [{"nodeId": "n00", "addresses": "broken"}]
    await world.turn()
    assert (world.tailnet.asked, "n00" in world.names()) == ([], True)


async def test_a_resource_that_is_only_observed_loses_nothing(world: World) -> None:
    world.manifest.write_text(MANIFEST + "  mode: Observe\n")
    world.tailnet.there -= {"n00"}
    await world.turn()
    assert "n00" in world.names()


async def test_a_trivial_edit_releases_no_device_that_looks_different(world: World) -> None:
    world.tailnet.bare = world.tailnet.silent = {"n00"}
    await world.turn()
    world.manifest.write_text(MANIFEST.replace("port: 80", "port: 81"))
    await world.turn()
    assert "n00" in world.names()


async def test_a_pass_that_could_not_be_resolved_forgets_nothing(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    await world.turn()
    ports = "[{name: http, port: 80}, {name: also, port: 80}]"
    world.manifest.write_text(MANIFEST.replace("[{name: http, port: 80}]", ports))
    await world.turn()
    assert world.reconciler.waiting_on(world.tailnet.source) == {API}


async def test_what_waits_waits_for_lists_of_its_own_tailnet(world: World) -> None:
    world.tailnet.there -= {f"n{n:02}" for n in range(9)}
    await world.turn()
    assert world.reconciler.waiting_on(Tailnet().source) == set()


async def test_a_removal_goes_on_although_somebody_took_the_status_away(world: World) -> None:
    (world.root / "out/default/api/status.yaml").unlink()
    world.tailnet.there -= {"n00"}
    world.start()
    await remember(world.store, Sources([world.tailnet.source]))
    await world.turn()
    assert "n00" not in world.names()
