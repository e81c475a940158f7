"""One poll end to end, network aside: bytes in, and what has to be planned again out.

``python -m benchmarks.poll [DEVICES RESOURCES]``. A steady poll is one whose bytes differ from the
last (a device was updated, say) while nothing changed that any resource depends on.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from benchmarks.selectors.workload import generate
from discovery.clients.devices import decode_devices
from discovery.plan.policy import TailnetPolicy
from discovery.source import Source
from discovery.tailnet import DeviceList
from discovery.v1alpha1 import Key, TailscaleEndpointsSpec

_ROUNDS = 9
_NOW = datetime(2026, 11, 25, tzinfo=UTC)


class _Canned:
    """A control plane whose answers are bytes in memory."""

    def __init__(self, bodies: Iterator[bytes]) -> None:
        self.bodies = bodies

    async def devices(self, previous: DeviceList | None = None) -> DeviceList:
        return decode_devices(next(self.bodies), where="benchmark", previous=previous)


def run(out: TextIO, devices: int = 10_000, resources: int = 1_000) -> None:
    """Print CPU time of each kind of poll, beside reading the same bytes as JSON alone."""
    workload = generate(1, resources)
    body, steady, moved = _bodies(devices)
    base = _peak()
    reader = _Canned(iter([body]))
    source = Source(TailnetPolicy("company.ts.net", ("company.ts.net",)), reader, _minute())
    source.selection.define(
        {
            Key("default", f"r{name}"): TailscaleEndpointsSpec(
                tailnet="company.ts.net", tag_selectors=terms.terms[0].requirements
            )
            for name, terms in workload.resources.items()
        }
    )
    size = len(body) / 1e6
    print(f"one poll of {devices} devices, {size:.1f} MB, for {resources} resources", file=out)
    print(f"{'':44}{'median':>9}{'min':>9}{'max':>9}   to plan again", file=out)
    _row(out, "first list", lambda: _poll(source), rounds=1)
    for what, bodies in (
        ("steady: other bytes, nothing changed", cycle((steady, body))),
        ("the same bytes", cycle((body,))),
        ("1 % of the devices changed", cycle((moved, body))),
    ):
        reader.bodies = bodies
        _poll(source)
        _row(out, what, lambda: _poll(source))
    peak = _peak()
    _row(out, "for comparison: json.loads of these bytes", lambda: len(json.loads(body)) * 0)
    print(f"peak memory: {peak - base:.0f} MiB above {base:.0f} MiB with the input", file=out)


def _bodies(devices: int) -> tuple[bytes, bytes, bytes]:
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.poll.bodies", folder, str(devices)]
        subprocess.run(command, check=True)  # noqa: S603 (our own module)
        first, steady, moved = (
            Path(folder, name).read_bytes() for name in ("first", "steady", "moved")
        )
    return first, steady, moved


def _poll(source: Source) -> int:
    return len(asyncio.run(source.poll(_NOW)))


def _row(out: TextIO, what: str, measured: Callable[[], int], rounds: int = _ROUNDS) -> None:
    times = []
    touched = 0
    for _ in range(rounds):
        begin = time.process_time()
        touched = measured()
        times.append((time.process_time() - begin) * 1000)
    figures = "".join(f"{f(times):6.1f} ms" for f in (statistics.median, min, max))
    print(f"{what:44}{figures}   {touched}", file=out)


def _minute() -> timedelta:
    return timedelta(minutes=1)


def _peak() -> float:
    """Return the process's peak resident memory so far, in MiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
