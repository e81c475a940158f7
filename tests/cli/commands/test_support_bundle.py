import json
import tarfile
from pathlib import Path
from stat import S_IMODE

import pytest

from discovery import __version__
from discovery.simulator import SimulatorState
from tests.cli.commands.conftest import CONFIG, Place, Program

ROOT = "tailnet-discovery-support"


@pytest.fixture
async def recorded(place: Place, program: Program) -> Place:
    """A place where a pass was made."""
    place.write("api")
    assert (await program("sync", *place.standalone)).code == 0
    return place


def contents(bundle: Path) -> dict[str, str]:
    with tarfile.open(bundle) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


async def test_a_bundle_holds_the_ring_the_version_and_the_settings(
    recorded: Place, program: Program, state: SimulatorState
) -> None:
    bundle = recorded.root / "why.tar.gz"

    done = await program("support-bundle", "--out", str(recorded.out), "-o", str(bundle))

    assert (done.code, done.out) == (0, "")
    assert done.err == f"wrote {bundle} from {recorded.out / '.recorder'}\n"
    assert S_IMODE(bundle.stat().st_mode) == 0o600
    files = contents(bundle)
    assert set(files) == {
        f"{ROOT}/about.json",
        f"{ROOT}/settings.json",
        f"{ROOT}/ring/ring-00000001.jsonl",
    }
    about = json.loads(files[f"{ROOT}/about.json"])
    assert (about["format"], about["version"]) == (1, __version__)
    settings = {row["key"]: row["value"] for row in json.loads(files[f"{ROOT}/settings.json"])}
    assert settings["tailnets[0].pollInterval"] == "1s"
    assert settings["tailnets[0].credentials.apiKey"] == "**********"
    assert state.credentials.api_key not in "".join(files.values())


async def test_the_same_ring_gives_the_same_bytes(recorded: Place, program: Program) -> None:
    one, other = recorded.root / "one", recorded.root / "other"
    for bundle in (one, other):
        await program("support-bundle", "--out", str(recorded.out), "-o", str(bundle))
    assert one.read_bytes() == other.read_bytes()


async def test_a_bundle_can_go_to_stdout(recorded: Place, program: Program, start: Program) -> None:
    folder = str(recorded.out / ".recorder")
    recorded.configure(f"{CONFIG}recorder: {{directory: {folder}}}\n")
    await program("support-bundle", "-o", str(recorded.root / "file"))
    piped = await start("support-bundle", "-o", "-")
    out, _ = await piped.process.communicate()
    assert out == (recorded.root / "file").read_bytes()


async def test_nothing_recorded_says_where_it_was_looked_for(
    place: Place, program: Program
) -> None:
    done = await program("support-bundle", "--out", str(place.out))
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        f"error: nothing is recorded there ({place.out / '.recorder'}). run and sync record there: "
        "with --standalone name its --out, or recorder.directory.\n"
    )


async def test_without_a_folder_a_cluster_records_in_the_users_state(
    place: Place, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.configure(f"{CONFIG}instance: blue\n")
    monkeypatch.setenv("XDG_STATE_HOME", str(place.root))
    done = await program("support-bundle")
    assert f"({place.root / 'tailnet-discovery' / 'blue'})" in done.err
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(place.root))
    done = await program("support-bundle")
    assert f"({place.root / '.local/state/tailnet-discovery/blue'})" in done.err
    monkeypatch.setenv("HOME", "")
    done = await program("support-bundle")
    assert "(/var/lib/tailnet-discovery/blue)" in done.err
