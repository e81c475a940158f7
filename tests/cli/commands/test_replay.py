import json
from pathlib import Path
from signal import SIGKILL

import pytest

from discovery.recorder.ring import segments
from discovery.simulator import SimulatorState
from tests.cli.commands.conftest import Place, Program


@pytest.fixture
async def ring(place: Place, program: Program, state: SimulatorState) -> Path:
    """Where two resources came, and one of them lost api-1."""
    place.write("api")
    place.write("web", tagSelectors=[{"key": "service-type", "operator": "In", "values": ["web"]}])
    await program("sync", *place.standalone)
    state.devices = [d for d in state.devices if not d["name"].startswith("api-1.")]
    await program("sync", *place.standalone)
    assert "api-1" not in place.endpoints("api")
    return place.out / ".recorder"


async def test_a_table_shows_what_went_and_why(ring: Path, program: Program) -> None:
    done = await program("replay", str(ring), config=None)
    assert (done.code, done.err) == (0, "")
    header, *rows = [line.split() for line in done.out.splitlines()]
    assert header == ["TIME", "RESOURCE", "REMOVED", "HELD", "CHANGES", "REPRODUCED"]
    assert [row[1:] for row in rows] == [
        ["default/api", "-", "-", "2", "yes"],
        ["default/web", "-", "-", "2", "yes"],
        ["default/api", "Absent:", "api-1", "-", "1", "yes"],
    ]


async def test_a_bundle_replays_as_its_ring_does(
    ring: Path, program: Program, place: Place
) -> None:
    bundle = place.root / "why.tar.gz"
    await program("support-bundle", "--out", str(place.out), "-o", str(bundle))
    from_ring = await program("replay", str(ring), "-o", "json")
    from_bundle = await program("replay", str(bundle), "-o", "json")
    assert (from_bundle.code, from_bundle.out) == (0, from_ring.out)


async def test_json_holds_the_evidence(ring: Path, program: Program) -> None:
    done = await program("replay", str(ring), "api", "--removed", "api-1", "-o", "json")
    (found,) = json.loads(done.out)
    (loss,) = found["removed"]
    assert (loss["name"], loss["cause"], loss["detail"]) == (
        "api-1",
        "Absent",
        "not in the device list",
    )
    assert found["evidence"]["answers"] == {loss["nodeId"]: None}
    assert (found["reproduced"], found["differences"]) == (True, [])


async def test_a_time_gives_the_last_decision_until_then(ring: Path, program: Program) -> None:
    found = json.loads((await program("replay", str(ring), "-o", "json")).out)
    early, late = found[0]["time"], "2999-01-01T00:00Z"
    at = json.loads((await program("replay", str(ring), "--at", late, "-o", "json")).out)
    assert sorted((one["resource"], len(one["removed"])) for one in at) == [
        ("default/api", 1),
        ("default/web", 0),
    ]
    before = json.loads(
        (await program("replay", str(ring), "--at", "2001-01-01T00:00Z", "-o", "json")).out
    )
    assert before == []
    assert early < late


async def test_another_outcome_is_said_and_counts(ring: Path, program: Program) -> None:
    (segment,) = segments(ring)
    segment.write_text(segment.read_text().replace('"reason":"Endpoints: ', '"reason":"Others: '))
    done = await program("replay", str(ring), "default/api", "--removed", "api-1")
    assert done.code == 1
    assert done.out.endswith("NO\n")
    assert done.err.startswith("not reproduced: default/api at 2")
    assert done.err.endswith(": differs in changes[0].reason\n")


async def test_records_of_another_version_are_named(ring: Path, program: Program) -> None:
    (segment,) = segments(ring)
    text = segment.read_text()
    segment.write_text(text.replace('"version":"0.1.0"', '"version":"0.0.9"', 1))
    done = await program("replay", str(ring))
    assert done.code == 0
    assert done.err == "warning: recorded by 0.0.9, replayed by 0.1.0: versions may differ\n"
    segment.write_text(text.replace('"format":1', '"format":7', 1))
    done = await program("replay", str(ring))
    assert done.code == 3
    assert done.err == (
        f"error: the records have format 7, of version 0.1.0 ({ring}). "
        "Replay them with that version.\n"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file or folder ({}). Make one: tailnet-discovery support-bundle."),
        (b"PK\x03\x04", "it is no support bundle, or only a part of one ({})."),
        (b"", "it is no support bundle, or only a part of one ({})."),
        ("half", "it is no support bundle, or only a part of one ({})."),
        ("folder", "nothing is recorded there ({})."),
    ],
)
async def test_what_can_not_be_read_is_one_line(
    ring: Path, program: Program, place: Place, content: bytes | str | None, said: str
) -> None:
    bundle = place.root / "bundle"
    if content == "half":
        await program("support-bundle", "--out", str(place.out), "-o", str(bundle))
        bundle.write_bytes(bundle.read_bytes()[:2000])
    elif content == "folder":
        bundle.mkdir()
    elif isinstance(content, bytes):
        bundle.write_bytes(content)
    done = await program("replay", str(bundle))
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"error: {said.format(bundle)}")
    assert done.err.count("\n") == 1


async def test_a_controller_that_is_killed_has_recorded_what_it_did(
    place: Place, program: Program, start: Program
) -> None:
    place.write("api")
    running = await start("run", *place.standalone)
    await running.says("write")
    await running.stop(SIGKILL)
    done = await program("replay", str(place.out / ".recorder"))
    assert (done.code, done.out.split()[-4:]) == (0, ["-", "-", "2", "yes"])


async def test_a_torn_last_line_is_left_out(ring: Path, program: Program) -> None:
    (segment,) = segments(ring)
    segment.write_bytes(segment.read_bytes()[:-50])
    done = await program("replay", str(ring))
    assert (done.code, len(done.out.splitlines())) == (0, 3)


@pytest.mark.parametrize(
    "broken", ['{"kind": "pass"}', '{"kind": "list", "at": 5}', '{"kind": "failure"}']
)
async def test_a_record_that_somebody_changed_is_one_line(
    ring: Path, program: Program, broken: str
) -> None:
    last = segments(ring)[-1]
    last.write_bytes(last.read_bytes() + f"{broken}\n".encode())
    done = await program("replay", str(ring))
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "a record is not what was written" in done.err
