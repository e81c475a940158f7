"""The program under measurement: ``run`` for as long as it is wanted, or ``sync`` to its end."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from benchmarks.cluster.place import Call, Calls, Place, WrongResultError, spelled
from benchmarks.cluster.scrape import Scrape
from benchmarks.cluster.usage import cpu, peak

_CONFIG = """\
listen: {health: "127.0.0.1:0", metrics: "127.0.0.1:0"}
tailnets: [{name: company.ts.net, pollInterval: 1h}]
"""
_GLANCE = 0.5  # seconds between two looks at the metrics, which the controller pays for
_PATIENCE = 300.0  # seconds
_STOP_WITHIN = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: seconds, MiB at most, and the requests that the API server counted."""

    wall: float
    cpu: float
    peak: float
    calls: Calls

    @property
    def writes(self) -> int:
        """How many of the requests change objects."""
        return sum(count for call, count in self.calls.items() if call.is_write)


class Controller:
    """A running controller of one namespace; a context manager that stops it in order."""

    def __init__(self, place: Place, kubeconfig: Path, namespace: str) -> None:
        self._place = place
        self._before = place.calls()
        self._url = ""
        self._log = place.folder / f"{namespace}.log"
        self._began = time.time()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own module)
                _command(place, "run", kubeconfig, namespace),
                env=place.environ_of(namespace),
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            code = self._process.wait(_STOP_WITHIN)
        finally:
            self._process.kill()
        if code != 0 and kind is None:
            raise WrongResultError(f"run ended with an error: {self._said()[-3:]}")

    def started(self) -> Cost:
        """Return what it took from the start of the process until every resource had a pass."""
        seen = self._until_passes(0)
        used = cpu(self._process.pid)
        calls = self._place.calls() - self._before
        _compare(seen.calls, calls)
        return Cost(seen.ended - self._began, used, peak(self._process.pid), calls)

    def resynced(self) -> Cost:
        """Return what it takes to look at every resource again."""
        passes = self._scrape().passes
        before, used, began = self._place.calls(), cpu(self._process.pid), time.time()
        self._process.send_signal(signal.SIGUSR1)
        seen = self._until_passes(passes)
        used = cpu(self._process.pid) - used
        calls = self._place.calls() - before
        return Cost(seen.ended - began, used, peak(self._process.pid), calls)

    def idle(self, seconds: float) -> float:
        """Return its CPU seconds per second while nothing happens but what is always measured."""
        used, began = cpu(self._process.pid), time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(_GLANCE)
            self._scrape()
        return (cpu(self._process.pid) - used) / passed

    def _until_passes(self, before: int) -> Scrape:
        """Wait until every resource had a pass, none waits for one, and all are ready.

        A resource is known to be ready when its pass has ended, which writes the status last; in a
        cold sync some have more than one.
        """
        resources = len(self._place.fleet.specs)
        end = time.monotonic() + _PATIENCE
        while True:
            time.sleep(_GLANCE)
            seen = self._scrape()
            done = seen.passes >= before + resources and seen.ready == resources
            if done and not seen.pending:
                return seen
            if self._process.poll() is not None or time.monotonic() > end:
                raise WrongResultError(f"run did not do its work: {self._said()[-3:]}")

    def _scrape(self) -> Scrape:
        if not self._url:
            self._url = next((one["metrics"] for one in self._said() if "metrics" in one), "")
        if not self._url:
            return Scrape()
        return Scrape.of(httpx.get(f"{self._url}/metrics", trust_env=False).text)

    def _said(self) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def sync(place: Place, kubeconfig: Path, namespace: str) -> Cost:
    """Run ``sync`` and return what it took from the start of the process to its end."""
    before, began = place.calls(), time.monotonic()
    done = subprocess.run(  # noqa: S603 (our own module)
        _command(place, "sync", kubeconfig, namespace),
        env=place.environ_of(namespace),
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - began
    if done.returncode != 0:
        raise WrongResultError(f"sync ended with {done.returncode}: {done.stderr}")
    used = json.loads(done.stderr.splitlines()[-1])
    return Cost(wall, used["cpu"], used["peak"], place.calls() - before)


def _command(place: Place, command: str, kubeconfig: Path, namespace: str) -> Sequence[str]:
    config = place.folder / "config.yaml"
    config.write_text(_CONFIG)
    program = (sys.executable, "-m", "benchmarks.cluster.program", "--config", str(config))
    return (*program, command, "--kubeconfig", str(kubeconfig), "-n", namespace)


def _compare(own: Calls, servers: Calls) -> None:
    """Raise WrongResultError unless both sides have counted the same writes.

    Events are written at any time, also between the two looks, and count as no result.
    """

    def writes(calls: Calls) -> Calls:
        found: Calls = Counter()
        for call, count in calls.items():
            resource = call.resource.partition("/")[0]
            if call.is_write and resource not in {"events", "leases"}:
                found[Call(call.verb, resource)] += count
        return found

    ours, theirs = writes(own), writes(servers)
    if ours != theirs:
        raise WrongResultError(f"run counts {spelled(ours)}; the API server {spelled(theirs)}")
