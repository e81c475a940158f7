from pathlib import Path

import pytest
import yaml

from discovery.simulator import SimulatorState
from tests.cli.commands.conftest import ROOT, Place, Program

FLEET = ROOT / "fixtures" / "tailnet" / "devices.json"
FILES = ("tailnet-discovery.yaml", "first-resource.yaml")


async def test_both_files_are_written_and_can_be_used(
    place: Place, program: Program, state: SimulatorState
) -> None:
    made = place.root / "made"
    done = await program("init", "--out", str(made), config=None)
    assert done.code == 0
    assert sorted(path.name for path in made.iterdir()) == sorted(FILES)
    config = yaml.safe_load((made / FILES[0]).read_text())
    assert config == {
        "tailnets": [
            {"name": "company.ts.net", "tagKeys": config["tailnets"][0]["tagKeys"]},
        ]
    }
    assert "service-type" in config["tailnets"][0]["tagKeys"]
    spec = yaml.safe_load((made / FILES[1]).read_text())["spec"]
    assert spec["discovery"]["ports"][0]["healthCheck"]["enabled"] is True
    shown = done.out.splitlines()
    plan = await program("plan", "-f", str(made / FILES[1]), config=made / FILES[0])
    assert plan.code == 0
    assert done.out.endswith(plan.out)
    assert state.calls.count("GET /api/v2/tailnet/{tailnet}/devices") == 2
    assert "Plan: 6 to create, 0 to update, 0 to delete, 0 unchanged." in shown
    assert (await program("validate", "-f", str(made / FILES[1]))).code == 0


async def test_every_tag_is_shown_with_count_reading_and_doubt(
    place: Place, program: Program
) -> None:
    done = await program("init", "--out", str(place.root / "made"), config=None)
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["TAG", "DEVICES", "KEY", "VALUE", "NOTE"]
    assert ["tag:env-production", "11", "env", "production", "-"] in rows
    assert ["tag:gpu", "1", "gpu", "-", "-"] in rows
    (web,) = [line for line in done.out.splitlines() if line.startswith("tag:service-type-web ")]
    assert "service-type   web          ambiguous without tagKeys: also service=type-web" in web


async def test_declared_keys_of_the_configuration_stand(place: Place, program: Program) -> None:
    made = place.root / "made"
    await program("init", "--out", str(made))
    config = yaml.safe_load((made / FILES[0]).read_text())
    assert config["tailnets"][0]["tagKeys"] == ["service-type"]


@pytest.mark.parametrize("name", FILES)
async def test_a_file_that_is_there_is_replaced_only_by_force(
    place: Place, program: Program, state: SimulatorState, name: str
) -> None:
    made = place.root / "made"
    made.mkdir()
    (made / name).write_text("mine")
    done = await program("init", "--out", str(made))
    assert (done.code, done.out, state.calls.latest()) == (3, "", [])
    assert done.err == f"error: there is one already ({made / name}). Use --force to replace it.\n"
    assert [path.read_text() for path in made.iterdir()] == ["mine"]
    assert (await program("init", "--out", str(made), "--force")).code == 0
    assert "mine" not in (made / name).read_text()


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("401", 4, "API token invalid"),
        ("503:60", 5, "service unavailable"),
        ("empty", 5, "empty device list (company.ts.net)"),
    ],
)
async def test_a_tailnet_that_can_not_be_read_writes_nothing(
    place: Place, program: Program, state: SimulatorState, fault: str, code: int, said: str
) -> None:
    state.faults.add(fault)
    done = await program("init", "--out", str(place.root / "made"))
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert said in done.err
    assert not (place.root / "made").exists()


async def test_a_tailnet_without_tags_is_told(
    place: Place, program: Program, state: SimulatorState
) -> None:
    for device in state.devices:
        device["tags"] = []
    done = await program("init", "--out", str(place.root / "made"))
    assert done.code == 3
    assert "no eligible device has a tag (company.ts.net)" in done.err
    assert not (place.root / "made").exists()


async def test_names_without_a_domain_are_no_name_for_a_configuration(
    place: Place, program: Program, state: SimulatorState
) -> None:
    for device in state.devices:
        device["name"] = device["name"].partition(".")[0]
    done = await program("init", "--out", str(place.root / "made"), config=None)
    assert (done.code, done.err.splitlines()[-1].partition(" (")[0]) == (
        3,
        "error: the devices' names tell no tailnet",
    )


async def test_an_inventory_is_enough(place: Place, program: Program, tmp_path: Path) -> None:
    made = place.root / "made"
    done = await program("init", "--out", str(made), "--inventory", str(FLEET), config=None)
    assert done.code == 0
    assert yaml.safe_load((made / FILES[0]).read_text())["tailnets"][0]["name"] == "company.ts.net"


async def test_an_inventory_from_standard_input_is_enough(place: Place, start: Program) -> None:
    made = place.root / "made"
    process = (await start("init", "--out", str(made), "--inventory", "-")).process
    out, err = await process.communicate(FLEET.read_bytes())
    assert (process.returncode, err.count(b"error")) == (0, 0)
    assert b"Plan: " in out
