"""No fault costs an endpoint, and what is to go goes: a run of chaos from a fixed seed.

What its controllers recorded is replayed: each decision comes out byte for byte.
"""

import os
from pathlib import Path

import pytest

from tests.chaos.driver import Driver
from tests.chaos.lies import CHANGES
from tests.chaos.trouble import OF_ANSWERS, OF_API_SERVER, OF_LISTS
from tests.controlplane.server import OwnControlPlane

SEED = int(os.environ.get("CHAOS_SEED", "7"))
SECONDS = 75.0
POLLS = 220


@pytest.mark.timeout(300)
async def test_no_fault_costs_an_endpoint(
    own_control_plane: OwnControlPlane, tmp_path: Path
) -> None:
    report = await Driver(own_control_plane, SEED, tmp_path).run(SECONDS, POLLS)
    assert report.is_clean, report.text()
    assert report.gaps == 0, report.text()
    happened = {
        "polls": report.polls > 150,
        "polls without a fault": report.calm_polls > 40,
        "removals": report.removals > 30,
        "decisions that were replayed": report.decisions > 100,
        "removals by edits": report.edits > 0,
        "leaders": report.leaders > 4,
        "faults of lists": report.list_faults.keys() == set(OF_LISTS),
        "lies": report.lies.keys() == CHANGES.keys(),
        "faults of answers": report.answer_faults.keys() == set(OF_ANSWERS),
        "faults of the API server": report.api_faults.keys() == OF_API_SERVER.keys(),
        "processes that died": report.disruptions.total() > 4,
    }
    assert all(happened.values()), f"{happened}\n{report.text()}"
