"""The program over manifests of its own and a simulated tailnet on a real socket."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.__main__ import run as run_program
from discovery.simulator import Simulator, SimulatorState, read_devices
from tests.security.objects import note_files
from tests.security.transcripts import note

ROOT = Path(__file__).parents[3]

CONFIG = """\
logging: {format: console}
tailnets:
- name: company.ts.net
  pollInterval: 1s
  tagKeys: [service-type]
"""


@dataclass(frozen=True)
class Ended:
    """A run of the program that is over."""

    code: int
    out: str
    err: str


@dataclass
class Place:
    """A folder of manifests, the folder that is written to, and a configuration file."""

    root: Path

    def __post_init__(self) -> None:
        self.manifests.mkdir()
        self.configure(CONFIG)

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def standalone(self) -> tuple[str, ...]:
        """The options of ``sync`` and ``run``."""
        return ("--standalone", str(self.manifests), "--out", str(self.out))

    @property
    def planned(self) -> tuple[str, ...]:
        """The options of ``plan`` and ``explain``."""
        return ("-f", str(self.manifests), "--out", str(self.out))

    def configure(self, text: str) -> None:
        self.config.write_text(text)

    def write(self, name: str, namespace: str = "default", **spec: Any) -> Path:
        """Write a manifest; without anything said it selects production APIs on port 8080."""
        if "endpoints" not in spec and "tagSelectors" not in spec:
            spec["tagSelectors"] = [
                {"key": "env", "operator": "In", "values": ["production"]},
                {"key": "service-type", "operator": "In", "values": ["api"]},
                {"key": "protocol", "operator": "DoesNotExist"},
            ]
        spec.setdefault("tailnet", "company.ts.net")
        spec.setdefault("discovery", {"ports": [{"name": "http", "port": 8080}]})
        document = {
            "apiVersion": "gateway.tailscale.com/v1alpha1",
            "kind": "TailscaleEndpoints",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        path = self.manifests / f"{namespace}-{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def file(self, name: str, file: str, namespace: str = "default") -> Path:
        return self.out / namespace / name / file

    def read(self, name: str, file: str, namespace: str = "default") -> list[Any]:
        """Return the documents of a file that was written."""
        return list(yaml.safe_load_all(self.file(name, file, namespace).read_text()))

    def endpoints(self, name: str, namespace: str = "default") -> list[str]:
        """Return the endpoints' names in a resource's slices."""
        path = self.file(name, "endpointslices.yaml", namespace)
        slices = self.read(name, "endpointslices.yaml", namespace) if path.exists() else []
        return sorted(e["hostname"] for one in slices for e in one["endpoints"])

    def condition(self, name: str, kind: str, namespace: str = "default") -> dict[str, Any]:
        """Return a condition of a resource's status; empty where there is none."""
        path = self.file(name, "status.yaml", namespace)
        if not path.exists():
            return {}
        status = self.read(name, "status.yaml", namespace)[0]["status"]
        found: dict[str, Any] = next((c for c in status["conditions"] if c["type"] == kind), {})
        return found

    def children(self) -> dict[str, tuple[int, int, bytes]]:
        """Return what traffic follows: every file but the statuses."""
        return {name: file for name, file in self.files().items() if "status" not in name}

    def files(self) -> dict[str, tuple[int, int, bytes]]:
        """Return every visible file of the output with inode, time and content."""
        return {
            str(path.relative_to(self.out)): (
                path.stat().st_ino,
                path.stat().st_mtime_ns,
                path.read_bytes(),
            )
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and not path.relative_to(self.out).parts[0].startswith(".")
        }


@dataclass
class Process:
    """The program in a process of its own, with its log lines as they come."""

    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)

    async def says(self, text: str, times: int = 1) -> str:
        """Wait until that many lines with the text have been logged; return the last of them."""
        while True:
            found = [line for line in self.log if text in line]
            if len(found) >= times:
                return found[times - 1]
            await self._line()

    async def _line(self) -> None:
        assert self.process.stderr is not None
        async with asyncio.timeout(20):
            line = (await self.process.stderr.readline()).decode()
        assert line, f"the program ended: {self.log}"
        note("output", line)
        self.log.append(line)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        out, err = await self.process.communicate()
        note("output", f"{out.decode()}\n{err.decode()}")
        self.log += err.decode().splitlines()
        assert self.process.returncode is not None
        return self.process.returncode


Program = Callable[..., Any]


def environment(**more: str) -> dict[str, str]:
    """The environment without settings, so that the tests do not depend on who runs them."""
    ours = ("TAILNET_DISCOVERY_", "TS_", "_TAILNET_DISCOVERY", "NO_COLOR", "FORCE_COLOR")
    kept = {k: v for k, v in os.environ.items() if not k.startswith((*ours, "KUBE", "MAKE"))}
    path = os.pathsep.join(filter(None, sys.path))
    return {**kept, "PYTHONPATH": path, "KUBECONFIG": "/nonexistent/kubeconfig", **more}


@pytest.fixture
def state() -> SimulatorState:
    devices = read_devices(ROOT / "fixtures" / "tailnet" / "devices.json")
    return SimulatorState("company.ts.net", devices=devices)


@pytest.fixture
async def simulator(state: SimulatorState) -> AsyncIterator[Simulator]:
    async with Simulator(state) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    note_files(made.out)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Give pytest its log handlers back, which the program replaces."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def environ(simulator: Simulator) -> dict[str, str]:
    """What leads the program to the simulator."""
    return environment(
        TS_BASE_URL=simulator.url, TS_API_KEY=simulator.state.credentials.api_key, TS_TAILNET="-"
    )


@pytest.fixture
def program(
    environ: dict[str, str],
    place: Place,
    own_logging: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Program:
    """Run the program in a thread, beside the simulator; ``config=None`` leaves the file out."""
    for name in os.environ.keys() - environ.keys():
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    async def run_it(*arguments: str, config: Path | None = place.config) -> Ended:
        capsys.readouterr()
        before = () if config is None else ("--config", str(config))
        code = await asyncio.to_thread(run_program, (*before, *arguments))
        said = capsys.readouterr()
        return Ended(int(code), said.out, said.err)

    return run_it


@pytest.fixture
async def start(environ: dict[str, str], place: Place) -> AsyncIterator[Program]:
    """Start the program in a process of its own."""
    started: list[asyncio.subprocess.Process] = []

    async def start_it(*arguments: str, code: str = "") -> Process:
        program = ("-c", code) if code else ("-m", "discovery")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            "--config",
            str(place.config),
            *arguments,
            env=environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return Process(process)

    yield start_it
    for process in started:
        if process.returncode is None:
            process.kill()
            for said in await process.communicate():
                note("output", said.decode(errors="replace"))
