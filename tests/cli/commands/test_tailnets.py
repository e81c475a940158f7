import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from discovery.simulator import Simulator, SimulatorState, read_devices
from tests.cli.commands.conftest import ROOT, Place, Program

FLEET = ROOT / "fixtures" / "tailnet" / "devices.json"


@pytest.fixture
async def other() -> AsyncIterator[Simulator]:
    """A second tailnet, whose devices have IDs of their own."""
    devices = read_devices(FLEET)
    for device in devices:
        device["name"] = device["name"].replace("company.ts.net", "lab.ts.net")
        device["nodeId"] = f"lab-{device['nodeId']}"
    async with Simulator(SimulatorState("lab.ts.net", devices=devices)) as running:
        yield running


@pytest.fixture
def both(place: Place, simulator: Simulator, other: Simulator) -> tuple[Simulator, Simulator]:
    """Two tailnets in the configuration, each with a folder of credentials."""
    tailnets: list[dict[str, Any]] = []
    for running in (simulator, other):
        folder = place.root / running.state.tailnet
        folder.mkdir()
        (folder / "api_key").write_text(running.state.credentials.api_key)
        tailnets.append(
            {
                "name": running.state.tailnet,
                "baseURL": running.url,
                "pollInterval": "1s",
                "tagKeys": ["service-type"],
                "credentials": {"directory": str(folder)},
            }
        )
    place.configure(json.dumps({"tailnets": tailnets}))
    return simulator, other


@pytest.fixture
def own_credentials(monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    """Leave the credentials to the configuration file."""
    for name in ("TS_API_KEY", "TS_BASE_URL", "TS_TAILNET"):
        monkeypatch.delenv(name)


async def test_an_unknown_tailnet_of_a_resource_does_not_stop_the_others(
    place: Place, program: Program
) -> None:
    place.write("api")
    place.write("web", tailnet="nowhere.ts.net")
    done = await program("sync", *place.standalone)
    assert (done.code, place.endpoints("api")) == (6, ["api-1", "api-2", "api-3"])
    assert [path.name for path in (place.out / "default" / "web").iterdir()] == ["status.yaml"]
    assert "reason: NotConfigured" in place.file("web", "status.yaml").read_text()
    assert done.err.splitlines()[0] == (
        "error: tailnet nowhere.ts.net is not configured (default/web). Configured: company.ts.net"
    )


async def test_a_tailnet_taken_from_the_configuration_keeps_what_it_wrote(
    place: Place, program: Program
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    before = place.children()
    place.configure("tailnets: [{name: lab.ts.net, pollInterval: 1s}]")
    done = await program("sync", *place.standalone)
    assert (done.code, place.children()) == (5, before)


async def test_several_tailnets_each_serve_their_resources(
    place: Place, program: Program, both: tuple[Simulator, Simulator], own_credentials: None
) -> None:
    place.write("api")
    place.write("lab", tailnet="lab.ts.net")
    assert (await program("sync", *place.standalone)).code == 0
    nodes = [
        place.read(name, "endpointslices.yaml")[0]["metadata"]["annotations"][
            "gateway.tailscale.com/nodes"
        ]
        for name in ("api", "lab")
    ]
    assert '"api-1":"nB01c2dE919f11CNTRL"' in nodes[0]
    assert '"api-1":"lab-nB01c2dE919f11CNTRL"' in nodes[1]


async def test_the_outage_of_one_tailnet_does_not_touch_the_other(
    place: Place, program: Program, both: tuple[Simulator, Simulator], own_credentials: None
) -> None:
    place.write("api")
    place.write("lab", tailnet="lab.ts.net")
    await program("sync", *place.standalone)
    both[1].state.faults.add("503")
    for running in both:
        running.state.devices = [
            d for d in running.state.devices if not d["name"].startswith("api-1.")
        ]
    done = await program("sync", *place.standalone)
    assert done.code == 6
    assert place.endpoints("api") == ["api-2", "api-3"]
    assert place.endpoints("lab") == ["api-1", "api-2", "api-3"]


async def test_each_tailnet_is_judged_by_its_own_nodes_after_a_restart(
    place: Place, program: Program, both: tuple[Simulator, Simulator], own_credentials: None
) -> None:
    place.write("api")
    place.write("lab", tailnet="lab.ts.net")
    await program("sync", *place.standalone)
    for device in both[1].state.devices:
        device["tags"] = []
    done = await program("sync", *place.standalone)
    assert "3 of 3 devices that had tags are listed without any (lab.ts.net: " in done.err
    assert (done.code, place.endpoints("lab")) == (6, ["api-1", "api-2", "api-3"])


async def test_a_renamed_tailnet_serves_old_and_new_names(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.configure(
        "tailnets: [{name: company.ts.net, domains: [company.ts.net, firm.ts.net], "
        "tagKeys: [service-type], pollInterval: 1s}]"
    )
    for device in state.devices[::2]:
        device["name"] = device["name"].replace("company", "firm")
    place.write("old")
    place.write("new", tailnet="firm.ts.net")
    assert (await program("sync", *place.standalone)).code == 0
    assert place.endpoints("old") == place.endpoints("new") == ["api-1", "api-2", "api-3"]


async def test_without_a_file_the_first_list_tells_the_name(place: Place, program: Program) -> None:
    place.write("api", tagSelectors=[{"key": "service-type", "operator": "Exists"}])
    place.write("far", tailnet="nowhere.ts.net")
    done = await program("sync", *place.standalone, config=None)
    assert done.code == 6
    assert place.condition("api", "SourceFresh")["message"] == (
        "The device list of company.ts.net is verified."
    )
    assert "tailnet nowhere.ts.net is not configured" in done.err


async def test_an_inventory_file_takes_the_place_of_the_api(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    done = await program("sync", *place.standalone, "--inventory", str(FLEET))
    assert (done.code, place.endpoints("api")) == (0, ["api-1", "api-2", "api-3"])
    assert state.calls.latest() == []


async def test_an_inventory_comes_from_standard_input(
    place: Place, start: Program, state: SimulatorState
) -> None:
    place.write("api")
    process = (await start("sync", *place.standalone, "--inventory", "-")).process
    await process.communicate(FLEET.read_bytes())
    assert (process.returncode, place.endpoints("api")) == (0, ["api-1", "api-2", "api-3"])


async def test_an_unconfigured_inventory_is_a_tailnet_of_its_devices_names(
    place: Place, program: Program, other: Simulator
) -> None:
    lab = place.root / "lab.json"
    lab.write_text(json.dumps({"devices": other.state.devices}))
    exists = [{"key": "service-type", "operator": "Exists"}]
    place.write("lab", tailnet="lab.ts.net", tagSelectors=exists)
    place.write("api")
    files = ("--inventory", str(FLEET), "--inventory", str(lab))
    done = await program("sync", *place.standalone, *files)
    assert (done.code, len(place.endpoints("lab"))) == (0, len(set(place.endpoints("lab"))))
    assert place.condition("lab", "SourceFresh")["message"] == (
        "The device list of lab.ts.net is verified."
    )


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (None, 3, "the inventory can not be read: No such file or directory"),
        ("{}", 3, "the body is an object without `devices`"),
        ('{"devices": []}', 5, "the control plane answered with an empty device list"),
    ],
)
async def test_an_unusable_inventory_is_one_line(
    place: Place, program: Program, content: str | None, code: int, said: str
) -> None:
    place.write("api")
    path = place.root / "devices.json"
    if content is not None:
        path.write_text(content)
    done = await program("sync", *place.standalone, "--inventory", str(path))
    assert (done.code, done.err.count("\n"), place.children()) == (code, 1, {})
    assert said in done.err


async def test_two_inventories_of_one_tailnet_are_refused(place: Place, program: Program) -> None:
    place.write("api")
    files = ("--inventory", str(FLEET), "--inventory", str(FLEET))
    done = await program("sync", *place.standalone, *files)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "two inventories are of company.ts.net" in done.err


async def test_a_file_may_be_the_control_plane(place: Place, program: Program) -> None:
    place.configure(
        f"tailnets: [{{name: company.ts.net, controlPlane: File, baseURL: 'file://{FLEET}', "
        "tagKeys: [service-type]}]"
    )
    place.write("api")
    assert (await program("sync", *place.standalone)).code == 0
    assert place.endpoints("api") == ["api-1", "api-2", "api-3"]


async def test_a_control_plane_that_can_not_be_read_yet_is_one_line(
    place: Place, program: Program
) -> None:
    place.configure(
        "tailnets: [{name: a.ts.net, controlPlane: Headscale, baseURL: 'https://h.example'}]"
    )
    place.write("api")
    done = await program("sync", *place.standalone)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "control plane Headscale can not be read by this version (tailnet a.ts.net)" in done.err


async def test_nothing_configured_says_what_to_set(
    place: Place, program: Program, own_credentials: None
) -> None:
    place.write("api")
    done = await program("sync", *place.standalone, config=None)
    assert done.code == 3
    assert "TS_API_CLIENT_ID" in done.err


@pytest.mark.parametrize("more", ["", ", tailnets: [{name: company.ts.net}]"])
async def test_denied_networks_hold_for_an_inventory_too(
    place: Place, program: Program, more: str
) -> None:
    place.configure(f"{{deniedCIDRs: [100.84.12.0/30]{more}}}")
    place.write("api", tagSelectors=[{"key": "team", "operator": "In", "values": ["payments"]}])
    done = await program("sync", *place.standalone, "--inventory", str(FLEET))
    assert done.code == 0
    assert "api-1" not in place.endpoints("api")
    assert "grpc-1" in place.endpoints("api")
