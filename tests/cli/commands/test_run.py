import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from discovery.cli import Frame
from discovery.cli.run import _run
from discovery.simulator import SimulatorState
from discovery.stores.directory import DirectoryStore
from tests.cli.commands.conftest import Place, Process, Program

# Looks for edits and comes back to failures ten times as often as users have it.
QUICK = (
    "from datetime import timedelta; from discovery import manager; "
    "manager.EDITS = manager.FIRST_RETRY = timedelta(seconds=0.2); "
    "from discovery.__main__ import main; main()"
)

LIST = "GET /api/v2/tailnet/{tailnet}/devices"


async def until(fact: Callable[[], bool], within: float = 20) -> None:
    """Wait for something that the program does to files, which nobody announces."""
    async with asyncio.timeout(within):
        while not fact():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.02)


def has_statuses(place: Place, *names: str) -> Callable[[], bool]:
    return lambda: all(place.file(name, "status.yaml").exists() for name in names)


@pytest.fixture
async def running(place: Place, start: Program) -> Process:
    """The controller over two resources, with its first files written."""
    place.write("api")
    place.write("web", tagSelectors=[{"key": "service-type", "operator": "In", "values": ["web"]}])
    process: Process = await start("run", *place.standalone, code=QUICK)
    await until(has_statuses(place, "api", "web"))
    return process


async def test_the_first_files_appear_and_sigterm_ends_it(place: Place, running: Process) -> None:
    assert place.endpoints("api") == ["api-1", "api-2", "api-3"]
    assert place.endpoints("web") == ["web-1", "web-2", "web-staging-1"]
    assert await running.stop() == 0
    assert place.endpoints("api") == ["api-1", "api-2", "api-3"]
    assert any(
        "INFO    write " in line and "action=create" in line and "resource=default/api" in line
        for line in running.log
    )


async def test_ctrl_c_ends_it_too(running: Process) -> None:
    assert await running.stop(signal.SIGINT) == 0


async def test_a_tag_changes_only_the_slice_concerned(
    place: Place, running: Process, state: SimulatorState
) -> None:
    before = place.files()
    device = next(one for one in state.devices if one["name"] == "web-2.company.ts.net")
    device["tags"] = ["tag:env-production", "tag:service-type-api", "tag:port-8080"]
    await until(lambda: "web-2" in place.endpoints("api") and "web-2" not in place.endpoints("web"))
    await until(lambda: len(changed(before, place)) == 4)
    assert await running.stop() == 0
    assert changed(before, place) == [
        "default/api/endpointslices.yaml",
        "default/api/status.yaml",
        "default/web/endpointslices.yaml",
        "default/web/status.yaml",
    ]


async def test_a_list_that_says_the_same_writes_nothing(
    place: Place, running: Process, state: SimulatorState
) -> None:
    before, asked = place.files(), state.calls.count(LIST)
    device = next(one for one in state.devices if one["name"] == "bob-phone.company.ts.net")
    device["lastSeen"] = "2026-11-25T00:00:00Z"
    await until(lambda: state.calls.count(LIST) >= asked + 2)
    assert await running.stop() == 0
    assert place.files() == before


def changed(before: dict[str, tuple[int, int, bytes]], place: Place) -> list[str]:
    after = place.files()
    return [name for name in sorted(before.keys() | after) if before.get(name) != after.get(name)]


async def test_manifests_are_followed(place: Place, running: Process) -> None:
    before = place.files()
    place.write("api", service={"name": "backend"})
    place.write("more")
    (place.manifests / "default-web.yaml").unlink()
    await until(
        lambda: (
            has_statuses(place, "more")()
            and not (place.out / "default" / "web").exists()
            and place.read("api", "service.yaml")[0]["metadata"]["name"] == "backend"
        )
    )
    assert await running.stop() == 0
    assert {name.split("/")[1] for name in changed(before, place)} == {"api", "more", "web"}


async def test_an_unreadable_manifest_keeps_the_last_good_and_is_told(
    place: Place, running: Process
) -> None:
    before = place.files()
    (place.manifests / "default-web.yaml").write_text("kind: [")
    (place.manifests / "default-api.yaml").unlink()
    place.write("more")
    line = await running.says("manifest problem")
    assert "ERROR" in line
    assert "default-web.yaml" in line
    await until(has_statuses(place, "more"))
    assert {name.split("/")[1] for name in changed(before, place)} == {"more"}
    place.write("web")
    await until(lambda: not (place.out / "default" / "api").exists())
    await until(lambda: place.endpoints("web") == ["api-1", "api-2", "api-3"])
    assert await running.stop() == 0


async def test_an_outage_keeps_everything_is_written_once_and_ends(
    place: Place, running: Process, state: SimulatorState
) -> None:
    before, asked = place.files(), state.calls.count(LIST)
    state.faults.add("503:60")
    await until(lambda: place.condition("api", "SourceFresh").get("status") == "False")
    assert state.calls.count(LIST) - asked >= 3
    told = place.condition("api", "SourceFresh")
    assert told["reason"] == "Unreachable"
    assert told["message"].startswith("Since 20")
    assert "service unavailable" in told["message"]
    assert place.condition("api", "Ready")["reason"] == "SourceStale"
    await until(lambda: place.condition("web", "SourceFresh").get("status") == "False")
    written, asked = place.files(), state.calls.count(LIST)
    await until(lambda: state.calls.count(LIST) >= asked + 2)
    assert place.files() == written
    assert all(name.endswith("status.yaml") for name in changed(before, place))
    state.faults.replace(["401"])
    await until(lambda: place.condition("api", "SourceFresh")["reason"] == "CredentialsRefused")
    state.faults.clear()
    await until(lambda: place.condition("api", "SourceFresh")["status"] == "True")
    assert await running.stop() == 0
    assert sum("source not read" in line for line in running.log) == 2
    assert sum("source fresh again" in line for line in running.log) == 1


async def test_sigterm_ends_it_while_the_api_hangs(
    place: Place, start: Program, state: SimulatorState
) -> None:
    place.configure(
        "tailnets: [{name: company.ts.net, pollInterval: 60s, tagKeys: [service-type]}]"
    )
    place.write("api")
    state.faults.add("slow:60x1")
    process: Process = await start("run", *place.standalone)
    await until(lambda: not list(state.faults))  # the request has arrived
    begun = time.monotonic()
    assert await process.stop() == 0
    assert time.monotonic() - begun < 2


async def test_a_second_process_on_the_same_output_is_refused(
    place: Place, running: Process, start: Program, program: Program
) -> None:
    before = place.files()
    second = (await start("run", *place.standalone)).process
    _, err = await second.communicate()
    assert second.returncode == 3
    line = f"error: another process writes there ({place.out}). End it, or choose --out.\n"
    assert err.decode() == line
    done = await program("sync", *place.standalone)
    assert (done.code, done.err) == (0, f"skipped: another process writes to {place.out}\n")
    assert place.files() == before


async def test_a_state_file_that_can_not_be_read_holds_up_its_own_resource_only(
    place: Place, running: Process, state: SimulatorState
) -> None:
    path = place.file("web", "endpointslices.yaml")
    path.write_text("{")
    for device in state.devices:
        if device["name"] in {"web-1.company.ts.net", "api-1.company.ts.net"}:
            device["tags"] = ["tag:env-staging"]
    line = await running.says("pass failed", times=2)
    assert f"the last state can not be read: no YAML ({path})" in line
    assert "retry=0.4s" in line
    await until(lambda: place.endpoints("api") == ["api-2", "api-3"])
    path.unlink()
    await until(lambda: place.endpoints("web") == ["web-2", "web-staging-1"])
    assert await running.stop() == 0


async def test_an_edit_waits_for_its_status_file_and_others_do_not(
    place: Place, running: Process
) -> None:
    path = place.file("web", "status.yaml")
    whole = path.read_bytes()
    path.write_text("{")
    place.write("web", service={"name": "other"})
    place.write("more")
    line = await running.says("manifest not taken")
    assert f"no YAML ({path})" in line
    await until(has_statuses(place, "more"))
    assert place.read("web", "service.yaml")[0]["metadata"]["name"] == "web"
    path.write_bytes(whole)
    await until(lambda: place.read("web", "service.yaml")[0]["metadata"]["name"] == "other")
    await until(lambda: place.read("web", "status.yaml")[0]["metadata"]["generation"] == 2)
    assert await running.stop() == 0


async def test_what_a_full_disk_refused_is_written_when_there_is_room(
    place: Place, start: Program, state: SimulatorState
) -> None:
    place.write("api")
    process: Process = await start("run", *place.standalone, code=QUICK)
    await until(has_statuses(place, "api"))
    # A folder in the way of the new file stands for a full disk: root may write anywhere.
    staged = place.file("api", "endpointslices.yaml.tailnet-discovery-new")
    staged.mkdir()
    state.devices = [one for one in state.devices if one["name"] != "api-1.company.ts.net"]
    await process.says("can not write the output: Is a directory")
    assert place.endpoints("api") == ["api-1", "api-2", "api-3"]
    staged.rmdir()
    await until(lambda: place.endpoints("api") == ["api-2", "api-3"])
    await until(lambda: place.read("api", "status.yaml")[0]["status"]["totalEndpoints"] == 2)
    assert await process.stop() == 0


async def test_it_runs_until_a_signal_and_lets_go_of_the_output(
    place: Place, environ: dict[str, str], own_logging: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TS_BASE_URL", "TS_API_KEY", "TS_TAILNET"):
        monkeypatch.setenv(name, environ[name])
    place.write("api")
    running = asyncio.create_task(_run(Frame(config=place.config), place.manifests, place.out, ()))
    await until(has_statuses(place, "api"))
    store = DirectoryStore([place.manifests], place.out)
    assert store.lock() is None
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    lock = store.lock()
    assert lock is not None
    lock.close()
