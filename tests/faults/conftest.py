"""Defects that others had, each as a test of its name that shows that this program has it not.

Not here, since what they are about is not built: ``same_name_two_clusters``,
``foreign_vip_service``, ``vip_put_race`` and ``stale_consumer_sweep`` (Tailscale Services);
``udp_silent_peer``, ``grpc_not_serving``, ``tls_expired``, ``threshold_consumed`` and
``slow_target_no_starvation`` (health checks). For the same reason ``api_down_after_cache_expiry``
and ``ipv6_literal_everywhere`` say nothing of HTTP service discovery, ``identity_reset`` nothing of
virtual addresses, and ``bad_target_isolated`` and ``probe_secret_not_leaked`` nothing of requests
that a health check sends.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from discovery.cli.passes import Outcome, sync_all
from discovery.cli.tailnets import open_sources
from discovery.plan.announcements import Announcement
from discovery.planner import Planner
from discovery.settings import load
from discovery.simulator import Simulator, SimulatorState
from discovery.stores.cluster import ClusterStore, Resource
from discovery.v1alpha1 import Mode
from tests.cli.commands.conftest import environment
from tests.clients.conftest import server
from tests.cluster.conftest import Cluster, cluster, log, programs, simulator, state
from tests.cluster.test_rights import accounts

__all__ = ["accounts", "cluster", "log", "programs", "server", "simulator", "state"]

MINUTE = timedelta(minutes=1)
CONFIG = """\
tailnets:
- name: company.ts.net
  pollInterval: 60s
  tagKeys: [service-type]
"""
Turn = Callable[..., Awaitable[Outcome]]


@dataclass
class Schedule:
    """Passes over the test's namespace as ``sync`` makes them, at the times that the test says.

    ``told`` is what was worth an event, by the resource's name.
    """

    cluster: Cluster
    folder: Path
    environ: Mapping[str, str]
    now: datetime = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    config: str = CONFIG
    told: list[tuple[str, Announcement]] = field(default_factory=list)

    async def sync(self, after: timedelta = MINUTE) -> Outcome:
        """Make a pass over every resource, as a process of its own that knows nothing yet."""
        async with self.process() as turn:
            return await turn(after)

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Turn]:
        """Hold a process, each of whose turns reads the list and makes a pass over everything."""
        path = self.folder / "config.yaml"
        path.write_text(self.config)
        settings = load(path, environ=self.environ).settings
        store = ClusterStore(
            self.cluster.client, "default", namespace=self.cluster.namespace, tell=self._tell
        )
        async with open_sources(settings) as sources:
            planner = Planner(sources, "default", Mode.ENFORCE)

            async def turn(after: timedelta = MINUTE) -> Outcome:
                self.now += after
                await store.load()
                return await sync_all(store, planner, self.now)

            yield turn

    def _tell(self, resource: Resource, said: Announcement) -> None:
        self.told.append((resource.key.name, said))


@pytest.fixture
def schedule(cluster: Cluster, simulator: Simulator, tmp_path: Path) -> Schedule:
    environ = environment(
        TS_BASE_URL=simulator.url,
        TS_API_KEY=simulator.state.credentials.api_key,
        TS_TAILNET="-",
    )
    return Schedule(cluster, tmp_path, environ)


def device(state: SimulatorState, name: str) -> dict[str, Any]:
    """A device of the simulated tailnet, to be changed in place."""
    found: dict[str, Any] = next(
        one for one in state.devices if one["name"] == f"{name}.company.ts.net"
    )
    return found


def remove(state: SimulatorState, *names: str) -> None:
    """Take devices out of the simulated tailnet."""
    gone = [device(state, name) for name in names]
    state.devices = [one for one in state.devices if one not in gone]


async def children(cluster: Cluster) -> dict[str, str]:
    """The resourceVersion of every Service and slice of the namespace."""
    found = await cluster.versions()
    return {name: version for name, version in found.items() if "TailscaleEndpoints" not in name}


def machine(number: int) -> dict[str, Any]:
    """A device that the selectors of a resource without any of its own match."""
    return {
        "nodeId": f"n{number:02}CNTRL",
        "id": f"{number}",
        "name": f"m-{number:02}.company.ts.net",
        "addresses": [f"100.84.30.{number}"],
        "tags": ["tag:env-production", "tag:service-type-api"],
        "authorized": True,
    }


@pytest.fixture
def fleet(state: SimulatorState) -> list[str]:
    """Twelve machines, m-01 to m-12, in place of all others; of these three may go at once."""
    state.devices = [machine(number) for number in range(1, 13)]
    return [f"m-{number:02}" for number in range(1, 13)]
