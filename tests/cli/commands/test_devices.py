import json
from datetime import datetime

import pytest
import yaml

from discovery.simulator import SimulatorState
from tests.cli.commands.conftest import ROOT, Place, Program

FLEET = ROOT / "fixtures" / "tailnet" / "devices.json"


async def test_json_has_the_documented_form(program: Program) -> None:
    done = await program("devices", "-l", "gpu", "-o", "json")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    datetime.strptime(document.pop("fetchedAt"), "%Y-%m-%dT%H:%M:%S%z")
    assert document == {
        "tailnet": "company.ts.net",
        "devices": [
            {
                "nodeId": "nN12c2dE028f11CNTRL",
                "name": "gpu-1",
                "fqdn": "gpu-1.company.ts.net",
                "addresses": ["100.84.12.12", "fd7a:115c:a1e0::c401:c0c"],
                "tags": ["tag:env-production", "tag:gpu", "tag:region-us", "tag:team-research"],
                "eligible": True,
                "excludedBy": None,
                "matches": True,
            }
        ],
    }


async def test_devices_are_sorted_by_name_then_node_id(
    program: Program, state: SimulatorState
) -> None:
    state.devices.reverse()
    listed = json.loads((await program("devices", "-o", "json")).out)["devices"]
    order = [(one["name"], one["nodeId"]) for one in listed]
    assert order == sorted(order)
    assert order[1:3] == [("api-1", "nB01c2dE919f11CNTRL"), ("api-1", "nV19c2dE461f11CNTRL")]
    assert len(listed) == 26


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("env=production,service-type in (api,web),!port,!team", ["api-1", "lab-1", "web-3"]),
        ("env notin (production,staging),region", ["router-1"]),
        ("env!=production,router", ["router-1"]),
        ("gpu", ["gpu-1"]),
        ("gpu=", ["gpu-1"]),
        ("router=", ["router-1"]),
        ("env=", []),
        ("k8s=operator", ["k8s-operator"]),
    ],
)
async def test_a_selector_leaves_out_what_does_not_match(
    program: Program, selector: str, names: list[str]
) -> None:
    done = await program("devices", "-l", selector, "-o", "name")
    assert (done.code, done.out.split()) == (0, names)


async def test_an_excluded_device_is_listed_with_the_reason(program: Program) -> None:
    out = (await program("devices", "-o", "json")).out
    reasons = {one["name"]: one["excludedBy"] for one in json.loads(out)["devices"]}
    assert reasons["api-4"] == "unauthorized"
    assert reasons["web-3"] == "keyExpired"
    assert reasons["db-3"] == "shieldsUp"
    assert reasons["cache-2"] == "tailnetLockError"
    assert reasons["lab-1"] == "noAddress"
    assert reasons["alice-laptop"] == "untagged"
    assert reasons["hello"] == "external"
    assert reasons["web-1"] is None


async def test_tables_are_short_or_wide(program: Program) -> None:
    short = (await program("devices", "-l", "gpu")).out.splitlines()
    assert short[0].split("   ")[0] == "NAME"
    assert short[1].split() == [
        "gpu-1",
        "100.84.12.12",
        "tag:env-production,tag:gpu,tag:region-us,tag:team-research",
        "yes",
        "-",
    ]
    wide = (await program("devices", "-l", "gpu", "-o", "wide")).out.splitlines()
    assert wide[1].split()[-4:-2] == ["gpu-1.company.ts.net", "nN12c2dE028f11CNTRL"]
    assert wide[1].split()[-1] == "fd7a:115c:a1e0::c401:c0c"


async def test_yaml_says_the_same_as_json(program: Program) -> None:
    of_yaml = yaml.safe_load((await program("devices", "-o", "yaml")).out)
    of_json = json.loads((await program("devices", "-o", "json")).out)
    assert of_yaml["devices"] == of_json["devices"]


async def test_a_selector_with_a_mistake_is_wrong_usage(program: Program) -> None:
    done = await program("devices", "-l", "env in production")
    assert (done.code, done.out) == (2, "")
    assert "-l" in done.err


async def test_without_a_file_it_says_which_tailnet_it_found(program: Program) -> None:
    done = await program("devices", "-o", "name", config=None)
    assert (done.code, done.err) == (0, "tailnet: company.ts.net (from the names)\n")


async def test_an_unverified_list_is_shown_with_a_warning(
    program: Program, state: SimulatorState
) -> None:
    state.faults.add("foreign")
    done = await program("devices", "-o", "name")
    assert (done.code, len(done.out.split())) == (0, 26)
    assert done.err.startswith("warning: only 0 of 24 device names end in company.ts.net; ")


async def test_a_device_that_can_not_be_read_is_a_warning(
    program: Program, state: SimulatorState
) -> None:
    state.faults.add("malformed")
    done = await program("devices", "-o", "name")
    assert (done.code, len(done.out.split())) == (0, 25)
    assert done.err.startswith("warning: api-1.company.ts.net can not be read: ")


@pytest.mark.parametrize(("fault", "code"), [("401", 4), ("503:60", 5), ("body:{}", 5)])
async def test_a_tailnet_that_can_not_be_read_is_one_line(
    program: Program, state: SimulatorState, fault: str, code: int
) -> None:
    state.faults.add(fault)
    done = await program("devices")
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)


async def test_of_several_tailnets_one_must_be_named(place: Place, program: Program) -> None:
    file = f"{{name: company.ts.net, controlPlane: File, baseURL: 'file://{FLEET}'}}"
    place.configure(f"tailnets: [{{name: a.ts.net}}, {file}]")
    done = await program("devices")
    assert (done.code, done.out) == (3, "")
    assert "a.ts.net, company.ts.net" in done.err
    assert (await program("devices", "--tailnet", "company.ts.net")).code == 0
