import pytest

from discovery.simulator import SimulatorState
from tests.cli.commands.conftest import CONFIG, Place, Program

STATIC = {
    "name": "alice",
    "tailscaleIP": "100.84.12.17",
    "tailscaleFQDN": "alice-laptop.company.ts.net",
    "port": 8080,
    "protocol": "TCP",
}


async def test_a_selected_device_shows_requirements_gate_and_port(
    place: Place, program: Program
) -> None:
    place.write("api")
    done = await program("explain", "api", "api-2", "-f", str(place.manifests))
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "api-2.company.ts.net (nC02c2dE838f11CNTRL) for default/api"
    assert lines[2] == "gate: eligible"
    assert lines[3] == "selector: matches"
    assert any("env=production matches: tag:env-production" in line for line in lines)
    assert "endpoint: api-2 (TagSelector), port http = 8080/TCP http" in lines


async def test_a_device_that_is_not_selected_shows_the_tag_that_decided(
    place: Place, program: Program
) -> None:
    place.write("api")
    done = await program("explain", "default/api", "grpc-1", "-f", str(place.manifests))
    assert "selector: does not match" in done.out
    assert "!protocol does not match: " in done.out
    assert "tag:protocol-grpc" in done.out.split("!protocol does not match: ")[1]
    assert done.out.splitlines()[-1] == "endpoint: none"


async def test_an_excluded_device_shows_the_gate(place: Place, program: Program) -> None:
    place.write("api")
    done = await program("explain", "api", "api-4", "-f", str(place.manifests))
    said = "gate: unauthorized: the device waits for approval in the tailnet"
    assert said in done.out.splitlines()
    assert done.out.splitlines()[-1] == "endpoint: none"


async def test_a_refused_device_shows_the_refusal(place: Place, program: Program) -> None:
    place.write("api")
    done = await program("explain", "api", "api-5", "-f", str(place.manifests))
    said = "refused: addressFamily: the device has no address of the families in discovery"
    assert said in done.out.splitlines()


async def test_a_port_tag_that_is_ignored_is_told(place: Place, program: Program) -> None:
    ports = [{"name": "http", "port": 8080}, {"name": "admin", "port": 9000}]
    place.write("api", discovery={"ports": ports})
    done = await program("explain", "api", "api-2", "-f", str(place.manifests))
    assert [line for line in done.out.splitlines() if line.startswith("port rule: api-2: ")]


@pytest.mark.parametrize(
    "name", ["api-1.company.ts.net", "nb01C2DE919f11cntrl", "100.84.12.1", "API-2"]
)
async def test_a_device_has_several_names(place: Place, program: Program, name: str) -> None:
    place.write("api")
    assert (await program("explain", "api", name, "-f", str(place.manifests))).code == 0


async def test_without_a_device_there_is_a_line_for_each(place: Place, program: Program) -> None:
    place.write("api", endpoints=[STATIC], tagSelectors=SELECTORS)
    done = await program("explain", "api", "-f", str(place.manifests))
    rows = {line.split()[1]: line for line in done.out.splitlines()[1:]}
    assert len(rows) == 26
    assert rows["nB01c2dE919f11CNTRL"].split()[2:] == ["api-1", "selected"]
    assert rows["nT17c2dE623f11CNTRL"].split()[2:] == ["alice", "static:", "in", "spec.endpoints"]
    assert "unauthorized: the device waits" in rows["nX21c2dE299f11CNTRL"]
    assert "addressFamily: the device has no" in rows["nb25c2dE975f11CNTRL"]
    assert "not service-type=api: " in rows["nF05c2dE595f11CNTRL"]


SELECTORS = [
    {"key": "env", "operator": "In", "values": ["production"]},
    {"key": "service-type", "operator": "In", "values": ["api"]},
]


async def test_a_resource_of_static_endpoints_has_no_selector(
    place: Place, program: Program
) -> None:
    place.write("api", endpoints=[STATIC])
    done = await program("explain", "api", "-f", str(place.manifests))
    assert [line for line in done.out.splitlines() if line.endswith("   no selector")]
    done = await program("explain", "api", "alice-laptop", "-f", str(place.manifests))
    assert "endpoint: alice (Static), port http = 8080/TCP" in done.out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "there is no resource nothing (the manifests hold a/web, b/web, default/"),
        (("web",), "several resources are named web (the manifests hold a/web, b/web, "),
        (("api", "nobody"), "there is no device nobody (company.ts.net). "),
        (("api", "api-1"), "several devices are api-1 (company.ts.net). Name one: nB01c2dE919f11"),
    ],
)
async def test_what_is_unknown_or_ambiguous_is_one_line(
    place: Place, program: Program, arguments: tuple[str, ...], said: str
) -> None:
    place.write("api")
    place.write("web", namespace="a")
    place.write("web", namespace="b")
    done = await program("explain", *arguments, *place.planned)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert said in done.err


async def test_a_resource_whose_manifest_is_gone_can_not_be_explained(
    place: Place, program: Program
) -> None:
    gone = place.write("api")
    place.write("web")
    await program("sync", *place.standalone)
    gone.unlink()
    done = await program("explain", "api", *place.planned)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "default/api has no manifest" in done.err


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [("401", 4, "API token invalid"), ("503:60", 5, "service unavailable"), ("empty", 5, "empty")],
)
async def test_a_tailnet_that_can_not_be_read_has_its_own_exit_code(
    place: Place, program: Program, state: SimulatorState, fault: str, code: int, said: str
) -> None:
    place.write("api")
    state.faults.add(fault)
    done = await program("explain", "api", *place.planned)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert said in done.err


async def test_a_tailnet_that_is_not_configured_is_named(place: Place, program: Program) -> None:
    place.write("api", tailnet="nowhere.ts.net")
    done = await program("explain", "api", *place.planned)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "tailnet nowhere.ts.net is not configured (default/api)" in done.err


def take(state: SimulatorState, *names: str) -> None:
    """Take machines out of the tailnet."""
    gone = {f"{name}.company.ts.net" for name in names}
    state.devices = [device for device in state.devices if device["name"] not in gone]


APPROVE = {"ports": [{"name": "http", "port": 8080}], "removal": {"policy": "Approve"}}


@pytest.mark.parametrize("name", ["api-2", "nc02c2de838f11cntrl", "100.84.12.2"])
async def test_an_endpoint_whose_device_is_in_no_list_shows_what_its_removal_waits_for(
    place: Place, program: Program, state: SimulatorState, name: str
) -> None:
    # So long an interval that the list which explain itself reads counts for no other.
    place.configure(CONFIG.replace("pollInterval: 1s", "pollInterval: 1h"))
    place.write("api", discovery=APPROVE)
    await program("sync", *place.standalone)
    take(state, "api-1", "api-2", "api-3")
    await program("sync", *place.standalone)
    (document,) = place.read("api", "status.yaml")
    removal = document["status"]["removal"]
    done = await program("explain", "api", name, *place.planned)
    assert (done.code, done.err) == (0, "")
    head, held, since, message, last = done.out.splitlines()
    assert head == "api-2 (nC02c2dE838f11CNTRL) for default/api"
    assert held == "held: ApprovalNeeded: missing from the device list (not in the device list)"
    assert since.startswith(f"  since {removal['since']}, lists that say so: 1;")
    assert since.endswith("; the control plane, asked for it, confirmed it")
    assert message.startswith("  3 of 3 discovered endpoints wait for removal since ")
    assert message.endswith(f"approve default/api (plan {removal['plan']}).")
    assert last == "endpoint: api-2 (TagSelector), port http = 8080/TCP http"


async def test_a_listed_device_whose_endpoint_is_held_shows_what_its_removal_waits_for(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=APPROVE)
    await program("sync", *place.standalone)
    for device in state.devices:
        if device["name"].startswith("api-"):
            device["tags"] = ["tag:service-type-api"]
    await program("sync", *place.standalone)
    lines = (await program("explain", "api", "api-2", *place.planned)).out.splitlines()
    assert "selector: does not match" in lines
    said = "held: ApprovalNeeded: no longer selected by their tags (tags tag:service-type-api)"
    assert said in lines
    assert lines[-1] == "endpoint: api-2 (TagSelector), port http = 8080/TCP http"


async def test_without_a_device_what_is_held_has_a_line_too(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=APPROVE)
    await program("sync", *place.standalone)
    take(state, "api-1", "api-2")
    next(d for d in state.devices if d["name"].startswith("api-3."))["tags"] = ["tag:gpu"]
    await program("sync", *place.standalone)
    done = await program("explain", "api", *place.planned)
    rows = {line.split()[1]: line.split(maxsplit=3)[2:] for line in done.out.splitlines()[1:]}
    gone = "held, ApprovalNeeded: missing from the device list"
    assert rows["nB01c2dE919f11CNTRL"] == ["api-1", gone]
    name, why = rows["nD03c2dE757f11CNTRL"]
    assert (name, why.startswith("held, ApprovalNeeded: not ")) == ("api-3", True)


async def test_a_device_whose_entry_can_not_be_read_says_so(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    next(d for d in state.devices if d["name"].startswith("api-2."))["addresses"] = "none"
    done = await program("explain", "api", "api-2", *place.planned)
    assert done.out.splitlines()[1] == "kept: its entry in the device list can not be read"
    assert done.out.splitlines()[-1] == "endpoint: api-2 (TagSelector), port http = 8080/TCP http"


async def test_a_name_that_was_given_to_another_machine_is_ambiguous(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=APPROVE)
    await program("sync", *place.standalone)
    take(state, "api-1", "api-3")
    new = next(d for d in state.devices if d["name"].startswith("api-2."))
    new.update(nodeId="nNEWc2dE838f11CNTRL", id="99", addresses=["100.84.12.99"])
    new["tags"] = ["tag:gpu"]
    await program("sync", *place.standalone)
    done = await program("explain", "api", "api-2", *place.planned)
    assert (done.code, done.out) == (3, "")
    assert "Name one: nNEWc2dE838f11CNTRL, nC02c2dE838f11CNTRL" in done.err
