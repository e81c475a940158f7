"""What a replica does that looks at the past: it writes nothing, and looks again."""

import copy
from datetime import timedelta
from pathlib import Path

from discovery.cli.passes import sync_all
from discovery.cli.tailnets import open_sources
from discovery.planner import Planner
from discovery.settings import load
from discovery.simulator import SimulatorState
from discovery.stores.cluster import ClusterStore
from discovery.v1alpha1 import Mode
from tests.cluster.conftest import Cluster, endpoints
from tests.faults.conftest import Schedule, device


async def test_a_leader_that_has_not_seen_an_endpoint_does_not_overwrite_it(
    schedule: Schedule, cluster: Cluster, state: SimulatorState, tmp_path: Path
) -> None:
    """A list lies about the endpoint that the leader before it added last; another one comes."""
    api = device(state, "api-1")
    fields = {"id": "77", "nodeId": "nNEW", "name": "api-9.company.ts.net"}
    new = copy.deepcopy(api) | fields | {"addresses": ["100.84.99.9"]}
    fields = {"id": "78", "nodeId": "nOTHER", "name": "api-8.company.ts.net"}
    other = copy.deepcopy(api) | fields | {"addresses": ["100.84.99.8"]}
    await cluster.create("web")
    await schedule.sync()
    stale = ClusterStore(cluster.client, "default", namespace=cluster.namespace)
    await stale.load()
    state.devices.append(new)
    await schedule.sync()
    assert "api-9" in endpoints(await cluster.slices())
    state.devices.remove(new)
    state.devices.append(other)
    settings = load(tmp_path / "config.yaml", environ=schedule.environ).settings
    async with open_sources(settings) as sources:
        planner = Planner(sources, "default", Mode.ENFORCE)
        await sync_all(stale, planner, schedule.now + timedelta(minutes=1))
    assert "api-9" in endpoints(await cluster.slices())
