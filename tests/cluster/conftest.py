"""A namespace of the real API server beside a simulated tailnet, and the program between them."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.resources import (
    ENDPOINT_SLICES,
    SERVICES,
    TAILSCALE_ENDPOINTS,
    Resource,
)
from discovery.simulator import Simulator, SimulatorState, read_devices
from tests.cli.commands.conftest import Process, environment
from tests.cluster.replica import Log
from tests.controlplane.access import ControlPlane
from tests.security.transcripts import note

ROOT = Path(__file__).parents[2]
CONFIG = """\
logging: {format: console}
listen: {health: "127.0.0.1:0", metrics: "127.0.0.1:0"}
tailnets:
- name: company.ts.net
  pollInterval: 1s
  tagKeys: [service-type]
"""
API_SELECTORS = [
    {"key": "env", "operator": "In", "values": ["production"]},
    {"key": "service-type", "operator": "In", "values": ["api"]},
    {"key": "protocol", "operator": "DoesNotExist"},
]
Objects = Mapping[str, dict[str, Any]]


def manifest(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """A resource; without anything said it selects the production APIs on port 8080."""
    if "endpoints" not in spec and "tagSelectors" not in spec:
        spec["tagSelectors"] = API_SELECTORS
    spec.setdefault("discovery", {"ports": [{"name": "http", "port": 8080}]})
    return {
        "apiVersion": "gateway.tailscale.com/v1alpha1",
        "kind": "TailscaleEndpoints",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tailnet": "company.ts.net", **spec},
    }


def endpoints(slices: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the endpoints in these slices."""
    return sorted(e["hostname"] for one in slices for e in one["endpoints"] or ())


def condition(resource: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a resource's status; empty where there is none."""
    found: list[dict[str, Any]] = (resource.get("status") or {}).get("conditions", [])
    return next((one for one in found if one["type"] == kind), {})


@dataclass
class Cluster:
    """One namespace of the API server, as an administrator sees it."""

    client: KubeClient
    namespace: str

    async def create(self, name: str, **spec: Any) -> dict[str, Any]:
        body = manifest(name, self.namespace, **spec)
        return await self.client.create(TAILSCALE_ENDPOINTS, self.namespace, body)

    async def edit(self, name: str, **spec: Any) -> dict[str, Any]:
        """Merge into a resource's spec."""
        path = TAILSCALE_ENDPOINTS.path(self.namespace, name)
        return await self.client.request(
            "PATCH", path, body={"spec": spec}, content_type="application/merge-patch+json"
        )

    async def delete(self, resource: Resource, name: str) -> None:
        await self.client.request("DELETE", resource.path(self.namespace, name))

    async def resource(self, name: str) -> dict[str, Any]:
        return await self.client.get(TAILSCALE_ENDPOINTS, self.namespace, name)

    async def service(self, name: str) -> dict[str, Any]:
        return await self.client.get(SERVICES, self.namespace, name)

    async def slices(self, service: str = "") -> list[dict[str, Any]]:
        labels = f"kubernetes.io/service-name={service}" if service else ""
        found, _ = await self.client.list(ENDPOINT_SLICES, self.namespace, labels=labels)
        return found

    async def versions(self) -> dict[str, str]:
        """The resourceVersion of every object that the program writes."""
        found = {}
        for resource in (TAILSCALE_ENDPOINTS, ENDPOINT_SLICES, SERVICES):
            objects, _ = await self.client.list(resource, self.namespace)
            for one in objects:
                metadata = one["metadata"]
                found[f"{resource.kind}/{metadata['name']}"] = metadata["resourceVersion"]
        return found

    async def until(
        self, resource: Resource, fact: Callable[[Objects], bool], within: float = 20
    ) -> Objects:
        """Wait until what exists of a kind is as wanted; return it by name."""
        held: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(within):
            objects, version = await self.client.list(resource, self.namespace)
            held = {one["metadata"]["name"]: one for one in objects}
            events = self.client.watch(
                resource, self.namespace, resource_version=version, seconds=60
            )
            async with aclosing(events):
                while not fact(held):
                    event = await anext(events)
                    name = event["object"]["metadata"].get("name", "")
                    if event["type"] == "DELETED":
                        held.pop(name, None)
                    elif event["type"] != "BOOKMARK":
                        held[name] = event["object"]
        return held

    async def until_endpoints(self, *names: str, within: float = 20) -> list[dict[str, Any]]:
        """Wait until the slices of the namespace hold exactly these; return the slices."""
        found = await self.until(
            ENDPOINT_SLICES, lambda held: endpoints(list(held.values())) == sorted(names), within
        )
        return [found[name] for name in sorted(found)]

    async def until_condition(
        self, name: str, kind: str, status: str, reason: str = "", within: float = 20
    ) -> dict[str, Any]:
        """Wait until a condition says so; return the condition."""

        def says(held: Objects) -> bool:
            found = condition(held.get(name, {}), kind)
            return found.get("status") == status and reason in {"", found.get("reason")}

        held = await self.until(TAILSCALE_ENDPOINTS, says, within)
        return condition(held[name], kind)


@pytest.fixture
def log() -> Iterator[Log]:
    """What a controller in the test's own process logs."""
    handler, logger = Log(), logging.getLogger("discovery")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
async def cluster(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Cluster]:
    async with connect(control_plane.kubeconfig()) as client:
        yield Cluster(client, namespace)


@pytest.fixture
def state() -> SimulatorState:
    devices = read_devices(ROOT / "fixtures" / "tailnet" / "devices.json")
    return SimulatorState("company.ts.net", devices=devices)


@pytest.fixture
async def simulator(state: SimulatorState) -> AsyncIterator[Simulator]:
    async with Simulator(state) as running:
        yield running


@dataclass
class Programs:
    """Starts the program over the test's namespace and the simulated tailnet."""

    folder: Path
    environ: dict[str, str]
    kubeconfig: Path
    namespace: str
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    def configure(self, text: str) -> Path:
        path = self.folder / "config.yaml"
        path.write_text(text)
        return path

    async def start(
        self, *arguments: str, kubeconfig: Path | None = None, config: str = CONFIG
    ) -> Process:
        """Start ``run``, or what the arguments say, in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "discovery",
            "--config",
            str(self.configure(config)),
            *(arguments or ("run",)),
            "--kubeconfig",
            str(kubeconfig or self.kubeconfig),
            *("-n", self.namespace),
            env=self.environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=2**20,
        )
        self.started.append(process)
        return Process(process)

    async def call(self, *arguments: str, **options: Any) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr."""
        process = (await self.start(*arguments, **options)).process
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        note("output", f"{out.decode()}\n{err.decode()}")
        return process.returncode or 0, out.decode(), err.decode()

    async def end(self) -> None:
        for process in self.started:
            if process.returncode is None:
                process.kill()
            for said in await process.communicate():
                note("output", said.decode(errors="replace"))


@pytest.fixture
async def programs(
    tmp_path: Path, simulator: Simulator, control_plane: ControlPlane, namespace: str
) -> AsyncIterator[Programs]:
    environ = environment(
        TS_BASE_URL=simulator.url,
        TS_API_KEY=simulator.state.credentials.api_key,
        TS_TAILNET="-",
        TAILNET_DISCOVERY_POD_NAMESPACE=namespace,
        XDG_STATE_HOME=str(tmp_path / "state"),
    )
    kubeconfig = control_plane.kubeconfig(namespace=namespace)
    made = Programs(tmp_path, environ, kubeconfig, namespace)
    yield made
    await made.end()
