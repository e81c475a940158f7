import json
from typing import Any

import pytest
import yaml

from discovery.simulator import SimulatorState
from tests.cli.commands.conftest import Place, Program


async def planned(place: Place, program: Program) -> dict[str, Any]:
    done = await program("plan", *place.planned, "-o", "json")
    assert done.code == 0
    document: dict[str, Any] = json.loads(done.out)
    return document


async def test_json_has_the_documented_form(place: Place, program: Program) -> None:
    place.write("api")
    document = await planned(place, program)
    assert set(document) == {"changes", "blocked", "summary"}
    assert document["blocked"] == []
    assert document["summary"] == {
        "create": 2,
        "update": 0,
        "delete": 0,
        "unchanged": 0,
        "blocked": 0,
    }
    service, held = document["changes"]
    assert set(service) == {"action", "kind", "namespace", "name", "reason", "before", "after"}
    assert {k: service[k] for k in ("action", "kind", "namespace", "name", "reason", "before")} == {
        "action": "create",
        "kind": "Service",
        "namespace": "default",
        "name": "api",
        "reason": "There is no such Service.",
        "before": None,
    }
    assert service["after"]["spec"]["ports"][0]["port"] == 8080
    assert held["kind"] == held["after"]["kind"] == "EndpointSlice"


async def test_what_sync_then_does_is_what_was_planned(place: Place, program: Program) -> None:
    place.write("api")
    after = [change["after"] for change in (await planned(place, program))["changes"]]
    await program("sync", *place.standalone)
    written = place.read("api", "service.yaml") + place.read("api", "endpointslices.yaml")
    for one in (*after, *written):
        one["metadata"].get("annotations", {}).pop(
            "endpoints.kubernetes.io/last-change-trigger-time", None
        )
    assert after == written


async def test_an_update_shows_the_whole_object_before_and_after(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    (before,) = place.read("api", "endpointslices.yaml")
    state.devices = [one for one in state.devices if one["name"] != "api-1.company.ts.net"]
    document = await planned(place, program)
    (change,) = document["changes"]
    assert (change["action"], change["before"]) == ("update", before)
    assert [one["hostname"] for one in change["after"]["endpoints"]] == ["api-2", "api-3"]
    assert document["summary"]["unchanged"] == 1


async def test_a_gone_resource_is_planned_as_deletes(place: Place, program: Program) -> None:
    place.write("api")
    gone = place.write("web", namespace="shop")
    await program("sync", *place.standalone)
    gone.unlink()
    document = await planned(place, program)
    assert [(c["action"], c["kind"], c["namespace"]) for c in document["changes"]] == [
        ("delete", "Service", "shop"),
        ("delete", "EndpointSlice", "shop"),
    ]
    assert [c["after"] for c in document["changes"]] == [None, None]
    assert document["summary"] == {
        "create": 0,
        "update": 0,
        "delete": 2,
        "unchanged": 2,
        "blocked": 0,
    }


async def test_a_strangers_service_is_not_planned_to_go(place: Place, program: Program) -> None:
    place.write("api")
    path = place.file("web", "service.yaml")
    path.parent.mkdir(parents=True)
    path.write_text("{kind: Service, metadata: {name: web, namespace: default}}")
    changes = (await planned(place, program))["changes"]
    assert [change["name"] for change in changes if change["action"] == "delete"] == []


async def test_plan_never_writes(place: Place, program: Program) -> None:
    gone = place.write("web")
    place.write("api")
    await program("sync", *place.standalone)
    before = place.files()
    gone.unlink()
    place.write("api", service={"name": "other"})
    place.write("new")
    await program("plan", *place.planned)
    assert place.files() == before
    empty = place.root / "empty"
    await program("plan", "-f", str(place.manifests), "--out", str(empty))
    assert not empty.exists()


async def test_exit_code_tells_changes_only_where_asked(place: Place, program: Program) -> None:
    place.write("api")
    assert (await program("plan", *place.planned)).code == 0
    assert (await program("plan", *place.planned, "--exit-code")).code == 1
    await program("sync", *place.standalone)
    assert (await program("plan", *place.planned, "--exit-code")).code == 0


async def test_exit_code_tells_that_only_deletes_are_left(place: Place, program: Program) -> None:
    place.write("api")
    gone = place.write("web")
    await program("sync", *place.standalone)
    gone.unlink()
    assert (await program("plan", *place.planned, "--exit-code")).code == 1


async def test_a_resource_that_only_observes_plans_no_change(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    place.write("api", mode="Observe")
    state.devices = [one for one in state.devices if one["name"] != "api-1.company.ts.net"]
    done = await program("plan", *place.planned, "-o", "json", "--exit-code")
    assert done.code == 0
    assert json.loads(done.out)["summary"]["unchanged"] == 2
    assert done.err == (
        "default/api: Mode Observe: a pass would update 1 of Service and EndpointSlices.\n"
    )


async def test_without_out_it_says_that_nothing_exists_yet(place: Place, program: Program) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    done = await program("plan", "-f", str(place.manifests))
    assert done.err == "no --out: planned as if nothing existed yet\n"
    assert done.out.splitlines()[-1] == (
        "Plan: 2 to create, 0 to update, 0 to delete, 0 unchanged."
    )


async def test_the_forms_for_people_and_yaml(place: Place, program: Program) -> None:
    place.write("api")
    table = (await program("plan", *place.planned)).out.splitlines()
    assert table[0].split() == ["ACTION", "KIND", "NAMESPACE", "NAME", "REASON"]
    assert table[1].split()[:4] == ["create", "Service", "default", "api"]
    markdown = (await program("plan", *place.planned, "-o", "markdown")).out
    assert "| create | Service | default | api | There is no such Service. |" in markdown
    document = yaml.safe_load((await program("plan", *place.planned, "-o", "yaml")).out)
    assert document["summary"]["create"] == 2


@pytest.mark.parametrize(("fault", "code"), [("503", 5), ("401", 4), ("empty", 5)])
async def test_a_tailnet_that_can_not_be_read_is_no_plan(
    place: Place, program: Program, state: SimulatorState, fault: str, code: int
) -> None:
    place.write("api")
    state.faults.add(fault)
    done = await program("plan", *place.planned, "--exit-code", "-o", "json")
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)


async def test_a_plan_of_a_part_is_shown_and_told_apart(place: Place, program: Program) -> None:
    place.write("api")
    place.write("web", tailnet="nowhere.ts.net")
    done = await program("plan", *place.planned, "-o", "json", "--exit-code")
    assert (done.code, len(json.loads(done.out)["changes"])) == (6, 2)
    assert "tailnet nowhere.ts.net is not configured (default/web)" in done.err


async def test_what_waits_is_shown_with_its_plan_and_its_reasons(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    state.devices = [d for d in state.devices if not d["name"].startswith("api-")]
    document = await planned(place, program)
    assert document["changes"] == []
    assert (document["summary"]["unchanged"], document["summary"]["blocked"]) == (2, 3)
    (held,) = document["blocked"]
    assert (held["namespace"], held["name"], held["reason"]) == ("default", "api", "OverBudget")
    assert [(one["name"], one["cause"], one["waitsFor"]) for one in held["remove"]] == [
        (f"api-{number}", "Absent", "OverBudget") for number in (1, 2, 3)
    ]
    done = await program("plan", *place.planned)
    assert "Plan: 0 to create, 0 to update, 0 to delete, 2 unchanged. 3 removals wait." in done.out
    assert f"tailnet-discovery approve default/api (plan {held['plan']})." in done.out


async def test_a_plan_asks_as_a_pass_does_and_remembers_nothing(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    before = place.files()
    state.devices = [d for d in state.devices if not d["name"].startswith("api-1.")]
    document = await planned(place, program)
    (change,) = document["changes"]
    assert change["reason"] == "Endpoints: 1 gone: api-1 (missing from the device list)."
    assert place.files() == before


async def test_a_scheduled_run_says_what_waits_and_ends_well(
    place: Place, program: Program, state: SimulatorState
) -> None:
    place.write("api")
    await program("sync", *place.standalone)
    state.devices = [d for d in state.devices if not d["name"].startswith("api-")]
    done = await program("sync", *place.standalone)
    assert done.code == 0
    assert done.err.splitlines()[-1].startswith(
        "default/api: 3 of 3 discovered endpoints wait for removal since "
    )
    assert "waits for removal: missing from the device list" in done.out
