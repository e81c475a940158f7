"""The ring: bounded, continued after a restart, readable after a kill, and its owner's alone."""

import logging
import os
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE

import pytest

from discovery.recorder import Ring
from discovery.recorder.ring import records, segments
from tests.recorder.conftest import World

KIB = 1024


def numbers(folder: Path) -> list[int]:
    found = [r for name in segments(folder) for r in records(name.read_bytes())]
    return [record["n"] for record in found if record["kind"] == "n"]


def fill(ring: Ring, first: int, last: int) -> None:
    for number in range(first, last):
        fill = "".join(sha256(b"%d %d" % (number, part)).hexdigest() for part in range(3))
        line = b'{"kind":"n","n":%d,"fill":"%s"}' % (number, fill.encode())
        if not ring.fits(len(line)):
            ring.rotate()
        ring.append(line)


def test_thousands_of_records_stay_within_the_bound_and_the_newest_are_kept(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", 64 * KIB)
    ring.open()
    for start in range(0, 5000, 100):
        fill(ring, start, start + 100)
        assert sum(name.stat().st_size for name in segments(ring.directory)) <= 64 * KIB
    found = numbers(ring.directory)
    assert found == list(range(found[0], 5000))
    assert len(found) > 300
    assert [name.suffix for name in segments(ring.directory)][-2:] == [".gz", ".jsonl"]


def test_another_process_goes_on_behind_the_last_record(tmp_path: Path) -> None:
    for start in (0, 10):
        ring = Ring(tmp_path)
        ring.open()
        fill(ring, start, start + 10)
        ring.close()
    assert numbers(tmp_path) == list(range(20))
    assert len(segments(tmp_path)) == 1


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.open()
    fill(ring, 0, 3)
    ring.close()
    (name,) = segments(tmp_path)
    os.truncate(name, name.stat().st_size - 20)
    ring.open()
    fill(ring, 3, 5)
    assert numbers(tmp_path) == [0, 1, 3, 4]


def test_a_kill_while_a_segment_is_packed_costs_no_record(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.open()
    fill(ring, 0, 3)
    plain = segments(tmp_path)[0].read_bytes()
    ring.rotate()
    fill(ring, 3, 5)
    ring.close()
    (tmp_path / "ring-00000001.jsonl").write_bytes(plain)
    (tmp_path / ".new.jsonl.gz").write_bytes(plain[:9])
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    ring.open()
    ring.rotate()
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    assert not (tmp_path / "ring-00000001.jsonl").exists()


def test_folder_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring")
    ring.open()
    assert S_IMODE(ring.directory.stat().st_mode) == 0o700
    ring.append(b"{}")
    ring.rotate()
    modes = {S_IMODE(path.stat().st_mode) for path in ring.directory.iterdir()}
    assert modes == {0o600}


def test_a_folder_has_one_recorder_at_a_time(tmp_path: Path) -> None:
    one, other = Ring(tmp_path), Ring(tmp_path)
    one.open()
    with pytest.raises(BlockingIOError):
        other.open()
    one.close()
    other.open()


async def test_a_restart_records_no_list_again_that_is_there(world: World) -> None:
    before = world.kinds()
    await world.restart()
    world.tailnet.there |= {"n30"}
    await world.turn()
    assert world.kinds() == [*before, "list", "pass"]
    assert [d["nodeId"] for d in world.records()[-2]["changed"]] == ["n30"]


async def test_a_restart_after_a_torn_list_records_it_in_whole(world: World) -> None:
    world.tailnet.there |= {"n30"}
    await world.turn()
    (name,) = segments(world.ring)
    lines = name.read_bytes().splitlines(keepends=True)
    name.write_bytes(b"".join(lines[:1]) + lines[1][:-9])
    await world.restart()
    world.tailnet.there |= {"n31"}
    await world.turn()
    assert len(world.records()[-2]["devices"]) == 27
    assert [one.reproduced for one in world.replayed()] == [True]


async def test_each_segment_can_be_replayed_alone(tmp_path: Path) -> None:
    world = World(tmp_path, max_bytes=512 * KIB)
    world.write()
    for number in range(25, 85):
        world.tailnet.there ^= {f"n{number}"}
        await world.turn()
    assert world.size() <= 512 * KIB
    first, *rest = segments(world.ring)
    assert rest
    first.unlink()
    made = world.replayed()
    assert all(one.reproduced for one in made)
    assert made[-1].time == world.tailnet.now


async def test_a_list_that_fits_nowhere_costs_records_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, max_bytes=8 * KIB)
    world.write()
    with caplog.at_level(logging.WARNING):
        await world.turn()
        world.tailnet.there -= {"n07"}
        await world.turn(3)
    warnings = [r for r in caplog.records if r.message == "decisions are not recorded"]
    assert [r.__dict__["problem"] for r in warnings] == ["recorder.maxMegabytes is too small"]
    assert len(segments(world.ring)) == 1
    assert (tmp_path / "out/default/api/endpointslices.yaml").read_text().count("hostname") == 24


async def test_a_large_list_leaves_room_for_decisions(tmp_path: Path) -> None:
    world = World(tmp_path, max_bytes=256 * KIB)
    entry = {"tags": ["tag:other"], "authorized": True}
    world.tailnet.extra = [
        {**entry, "nodeId": f"x{n:04}", "addresses": [f"100.70.{n // 256}.{n % 256}"]}
        for n in range(700)
    ]
    world.write()
    for number in range(25, 28):
        world.tailnet.there |= {f"n{number}"}
        await world.turn()
    (name,) = segments(world.ring)  # a fourth of the bound would be full with the list alone
    assert name.stat().st_size > 64 * KIB
    assert [len(r["devices"]) for r in world.records() if "devices" in r] == [726]


@pytest.mark.parametrize("what", ["file", "locked"])
async def test_a_place_that_can_not_be_written_is_one_warning_and_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    other = Ring(tmp_path / "ring")
    if what == "file":
        (tmp_path / "ring").write_text("in the way")
    else:
        other.open()
    world = World(tmp_path)
    world.write()
    with caplog.at_level(logging.WARNING):
        await world.turn()
        world.tailnet.there -= {"n07"}
        await world.turn(2)
    found = [r.message for r in caplog.records]
    assert found.count("decisions are not recorded") == 1
    assert (tmp_path / "out/default/api/endpointslices.yaml").read_text().count("hostname") == 24


async def test_a_ring_that_somebody_removed_begins_anew(world: World) -> None:
    for path in world.ring.iterdir():
        path.unlink()
    world.ring.rmdir()
    world.tailnet.there |= {"n30"}
    await world.turn()
    assert world.kinds() == ["ring", "list", "pass"]
    assert [one.reproduced for one in world.replayed()] == [True]
