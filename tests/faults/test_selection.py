"""What tags select, from the tables of the documentation through to the slices of an API server."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.clients.errors import RejectedError
from discovery.simulator import SimulatorState
from tests.cluster.conftest import endpoints
from tests.faults.conftest import CONFIG, Schedule

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "fixtures" / "selectors"


def table(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load((TABLES / name).read_text())
    return cases


def spec(case: dict[str, Any]) -> dict[str, Any]:
    """What a resource says to select as a case of a table does."""
    if "terms" in case:
        return {"tagSelectorTerms": [{"matchTags": term} for term in case["terms"]]}
    return {"tagSelectors": case["selector"]}


def machine(position: int, tags: list[str]) -> dict[str, Any]:
    return {
        "nodeId": f"nCASE{position:02}CNTRL",
        "name": f"case-{position}.company.ts.net",
        "addresses": [f"100.84.20.{position + 1}"],
        "tags": tags,
        "authorized": True,
    }


async def selected(
    schedule: Schedule, state: SimulatorState, cases: list[dict[str, Any]]
) -> dict[str, bool]:
    """Return for each case whether a resource of its selector got the device of its tags.

    Every device is there at once. What the API server refuses selects nothing; what has no tags is
    no device of anybody.
    """
    state.devices = [machine(place, case["tags"]) for place, case in enumerate(cases)]
    refused = set()
    for place, case in enumerate(cases):
        try:
            await schedule.cluster.create(f"case-{place}", endpoints=[], **spec(case))
        except RejectedError:
            refused.add(place)
    outcome = await schedule.sync()
    assert (outcome.failures, len(outcome.passes)) == ([], len(cases) - len(refused))
    return {
        case["name"]: f"case-{place}" in endpoints(await schedule.cluster.slices(f"case-{place}"))
        for place, case in enumerate(cases)
    }


def expected(cases: list[dict[str, Any]]) -> dict[str, bool]:
    return {case["name"]: case["matches"] and bool(case["tags"]) for case in cases}


def by_declared_keys() -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """The cases of keys that begin alike, by the keys that the tailnet declares."""
    cases = defaultdict(list)
    for case in table("keys.yaml"):
        cases[tuple(case.get("declaredKeys", ()))].append(case)
    return cases


async def test_selector_and_or(schedule: Schedule, state: SimulatorState) -> None:
    """Upstream ORed what the published API calls requirements; the table says AND, terms OR."""
    cases = table("terms.yaml")
    assert {case["matches"] for case in cases if "terms" in case} == {True, False}
    assert {case["matches"] for case in cases if len(case.get("selector", ())) > 1} == {True, False}
    assert await selected(schedule, state, cases) == expected(cases)


@pytest.mark.parametrize("declared", sorted(map(",".join, by_declared_keys())))
async def test_key_prefix_collision(
    schedule: Schedule, state: SimulatorState, declared: str
) -> None:
    """``service`` must not match ``tag:service-type-web`` where ``service-type`` is a key."""
    cases = by_declared_keys()[tuple(filter(None, declared.split(",")))]
    schedule.config = CONFIG.replace("[service-type]", f"[{declared}]")
    assert await selected(schedule, state, cases) == expected(cases)


def test_the_documentation_names_the_tables() -> None:
    assert "(fixtures/selectors)" in (ROOT / "README.md").read_text()
