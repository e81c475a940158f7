"""Approving a removal in a folder: what waits goes, and nothing else ever does."""

from typing import Any

import pytest
import yaml

from discovery.plan.memory import plan_hash
from discovery.simulator import SimulatorState
from discovery.stores.approval import with_approval
from discovery.v1alpha1 import ObjectMeta, TailscaleEndpoints
from tests.cli.commands.conftest import Ended, Place, Program

ANNOTATION = "gateway.tailscale.com/approve-removal"
APIS = ["api-1", "api-2", "api-3"]
FULL_NAMES = [f"{name}.company.ts.net" for name in APIS]
NODES = {"api-1": "nB01c2dE919f11CNTRL", "api-2": "nC02c2dE838f11CNTRL"}
WEB = [{"key": "service-type", "operator": "In", "values": ["web"]}]
DISCOVERY = {"ports": [{"name": "http", "port": 8080}], "removal": {"policy": "Approve"}}


def take(state: SimulatorState, *names: str) -> list[Any]:
    """Take machines out of the tailnet; return them, to be put back."""
    gone = [d for d in state.devices if d["name"].removesuffix(".company.ts.net") in names]
    state.devices = [device for device in state.devices if device not in gone]
    return gone


def removal(place: Place, name: str = "api", namespace: str = "default") -> dict[str, Any]:
    """What the status says of removals."""
    (document,) = place.read(name, "status.yaml", namespace)
    found: dict[str, Any] = document["status"].get("removal", {})
    return found


def annotations(place: Place, name: str = "api", namespace: str = "default") -> dict[str, str]:
    (document,) = place.read(name, "status.yaml", namespace)
    found: dict[str, str] = document["metadata"].get("annotations", {})
    return found


def annotate(place: Place, approval: str | None, name: str = "api") -> None:
    """Write the annotation into the manifest, or take it out, as somebody does in Git."""
    path = place.manifests / f"default-{name}.yaml"
    document = yaml.safe_load(path.read_text())
    document["metadata"].pop("annotations", None)
    if approval is not None:
        document["metadata"]["annotations"] = {ANNOTATION: approval}
    path.write_text(yaml.safe_dump(document))


@pytest.fixture
async def held(place: Place, program: Program, state: SimulatorState) -> str:
    """All three APIs are gone, and their removal waits; the name of the plan."""
    place.write("api", discovery=DISCOVERY)
    await program("sync", *place.standalone)
    take(state, *APIS)
    await program("sync", *place.standalone)
    plan: str = removal(place)["plan"]
    return plan


async def approve(place: Place, program: Program, *arguments: str) -> Ended:
    done: Ended = await program("approve", *arguments, "--out", str(place.out))
    return done


async def test_a_removal_waits_until_it_is_approved_and_goes_in_the_next_pass(
    place: Place, program: Program, held: str
) -> None:
    await program("sync", *place.standalone)
    assert place.endpoints("api") == APIS
    done = await approve(place, program, "api")
    assert (done.code, done.err) == (0, "")
    assert place.endpoints("api") == APIS
    done = await program("sync", *place.standalone)
    assert (done.code, place.endpoints("api")) == (0, [])
    assert removal(place).get("total", 0) == 0
    assert place.condition("api", "RemovalBlocked") == {}


async def test_it_says_which_endpoints_go_and_why_and_the_plan(
    place: Place, program: Program, held: str
) -> None:
    done = await approve(place, program, "default/api")
    header, first, second, _, empty, last = done.out.splitlines()
    assert header.split("  ")[0] == "ENDPOINT"
    since = removal(place)["since"]
    assert first.split(maxsplit=3) == [
        "api-1",
        NODES["api-1"],
        since,
        "missing from the device list",
    ]
    assert second.split()[:2] == ["api-2", NODES["api-2"]]
    said = f"Approved: plan {held} of default/api, 3 endpoints. The next pass removes them."
    assert (empty, last) == ("", said)
    assert annotations(place)[ANNOTATION].startswith(f"{held}/20")


async def test_nothing_else_goes(place: Place, program: Program, state: SimulatorState) -> None:
    place.write("api", discovery=DISCOVERY)
    place.write("other", discovery=DISCOVERY)
    await program("sync", *place.standalone)
    take(state, *APIS)
    await program("sync", *place.standalone)
    await approve(place, program, "api")
    await program("sync", *place.standalone)
    assert place.endpoints("api") == []
    assert place.endpoints("other") == APIS


async def test_an_approval_is_not_for_what_goes_missing_afterwards(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=DISCOVERY, tagSelectors=WEB)
    place.write("production", discovery=DISCOVERY, tagSelectors=[EXISTS_PRODUCTION])
    await program("sync", *place.standalone)
    before = place.endpoints("production")
    take(state, *APIS, "web-1")
    await program("sync", *place.standalone)
    plan = removal(place, "production")["plan"]
    assert (await approve(place, program, "production")).code == 0
    take(state, "web-2")
    await program("sync", *place.standalone)
    assert place.endpoints("production") == before
    assert removal(place, "production")["plan"] != plan
    assert removal(place, "production")["total"] == 5


EXISTS_PRODUCTION = {"key": "env", "operator": "In", "values": ["production"]}


async def test_an_approval_still_holds_for_fewer_of_them(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=DISCOVERY)
    await program("sync", *place.standalone)
    gone = take(state, *APIS)
    await program("sync", *place.standalone)
    assert (await approve(place, program, "api")).code == 0
    state.devices += [device for device in gone if "api-3" in device["name"]]
    await program("sync", *place.standalone)
    assert place.endpoints("api") == ["api-3"]


async def test_the_same_plan_needs_another_approval_the_next_time(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=DISCOVERY)
    await program("sync", *place.standalone)
    plans = []
    for _ in range(2):
        gone = take(state, *APIS)
        await program("sync", *place.standalone)
        await program("sync", *place.standalone)
        assert place.endpoints("api") == APIS
        plans.append(removal(place)["plan"])
        assert (await approve(place, program, "api")).code == 0
        await program("sync", *place.standalone)
        assert place.endpoints("api") == []
        state.devices += gone
        await program("sync", *place.standalone)
        assert place.endpoints("api") == APIS
    assert plans[0] == plans[1]


async def test_another_plan_than_the_one_named_is_refused(
    place: Place, program: Program, held: str
) -> None:
    before = place.files()
    done = await approve(place, program, "api", "--plan", "0123456789ab")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert done.err.startswith(
        f"error: plan 0123456789ab is not the one that waits, which is {held} by now (default/api)."
    )
    assert place.files() == before
    assert (await approve(place, program, "api", "--plan", held)).code == 0


async def test_where_nothing_waits_there_is_nothing_to_approve(
    place: Place, program: Program
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    before = place.files()
    done = await approve(place, program, "api")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert done.err.startswith("error: no removal waits there (default/api). ")
    assert place.files() == before


async def test_what_went_already_can_not_be_approved(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    take(state, "api-1")
    await program("sync", *place.standalone)
    assert (place.endpoints("api"), bool(removal(place))) == (["api-2", "api-3"], True)
    done = await approve(place, program, "api")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: no removal waits there (default/api). ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "there is no resource named nothing ("),
        ("shop/nothing", "there is no resource named shop/nothing ("),
        ("web", "several resources are named web ("),
    ],
)
async def test_a_resource_that_is_not_there_or_ambiguous_is_one_line(
    place: Place, program: Program, name: str, said: str
) -> None:
    place.write("web", namespace="a")
    place.write("web", namespace="b")
    await program("sync", *place.standalone)
    done = await approve(place, program, name)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert said in done.err
    assert "holds a/web, b/web)" in done.err


async def test_a_folder_that_is_not_there_is_not_made(place: Place, program: Program) -> None:
    done = await approve(place, program, "api")
    assert (done.code, place.out.exists()) == (3, False)
    assert "holds none" in done.err


async def test_a_folder_that_a_process_writes_to_sends_one_to_the_manifest(
    place: Place, program: Program, start: Program, held: str
) -> None:
    place.write("web", tagSelectors=WEB)
    running = await start("run", *place.standalone)
    await running.says("write")
    done = await approve(place, program, "api")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert f'Write {ANNOTATION}: "{held}" into the annotations of its manifest.' in done.err
    assert place.endpoints("api") == APIS
    annotate(place, held)
    await running.says("endpoint removed", times=3)
    assert await running.stop() == 0
    assert place.endpoints("api") == []


async def test_the_annotation_in_a_manifest_approves_as_well(
    place: Place, program: Program, held: str
) -> None:
    annotate(place, held)
    await program("sync", *place.standalone)
    assert place.endpoints("api") == []


async def test_the_annotation_of_a_manifest_wins(place: Place, program: Program, held: str) -> None:
    assert (await approve(place, program, "api")).code == 0
    annotate(place, "0123456789ab")
    await program("sync", *place.standalone)
    assert place.endpoints("api") == APIS


async def test_an_annotation_that_is_taken_out_of_a_manifest_is_withdrawn(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api", discovery=DISCOVERY)
    plan = plan_hash(d["nodeId"] for d in state.devices if d["name"] in FULL_NAMES)
    annotate(place, plan)
    await program("sync", *place.standalone)
    annotate(place, None)
    take(state, *APIS)
    await program("sync", *place.standalone)
    assert (removal(place)["plan"], place.endpoints("api")) == (plan, APIS)


def test_only_the_approval_of_the_last_state_joins_a_manifest() -> None:
    spec = {"tailnet": "company.ts.net", "tagSelectors": WEB}
    metadata = {"name": "api", "annotations": {"team": "payments"}}
    manifest = TailscaleEndpoints.model_validate({"metadata": metadata, "spec": spec})
    there = ObjectMeta(name="api", annotations={"note": "by hand", ANNOTATION: "0123456789ab"})
    found = with_approval(manifest, there).metadata.annotations
    assert found == {"team": "payments", ANNOTATION: "0123456789ab"}


async def test_no_other_annotation_of_the_last_state_is_taken_over(
    place: Place, program: Program, held: str
) -> None:
    path = place.file("api", "status.yaml")
    (document,) = place.read("api", "status.yaml")
    document["metadata"]["annotations"] = {"note": "by hand"}
    path.write_text(yaml.safe_dump(document))
    assert (await approve(place, program, "api")).code == 0
    assert annotations(place)["note"] == "by hand"
    await program("sync", *place.standalone)
    assert list(annotations(place)) == [ANNOTATION]


async def test_plan_shows_what_an_approval_lets_go(
    place: Place, program: Program, held: str
) -> None:
    done = await program("plan", *place.planned, "--exit-code")
    assert (done.code, f"(plan {held})" in done.out) == (0, True)
    await approve(place, program, "api")
    done = await program("plan", *place.planned, "--exit-code")
    assert (done.code, f"(plan {held})" in done.out) == (1, False)


@pytest.mark.parametrize(
    "arguments", [("api", "--out", "out", "-n", "shop"), ("api", "-A"), ("api", "--plan")]
)
async def test_options_that_mean_nothing_are_wrong_usage(
    program: Program, arguments: tuple[str, ...]
) -> None:
    done = await program("approve", *arguments)
    assert (done.code, done.out) == (2, "")


async def test_a_state_that_can_not_be_read_is_one_line(
    place: Place, program: Program, held: str
) -> None:
    place.file("api", "status.yaml").write_text("kind: [")
    done = await approve(place, program, "api")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "the last state can not be read: no YAML" in done.err
