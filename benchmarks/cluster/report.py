"""The table: medians, ratios, and everything a reader must know to judge them."""

import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.cluster.controller import Cost
from benchmarks.cluster.place import spelled
from benchmarks.cluster.rounds import COLD, COLD_SYNC, GETS, LISTS, RESTART, RESYNC, SYNC, Measured
from benchmarks.cluster.workload import Fleet

_PREFACE = """\
A real {server} and etcd (without fsync) on this machine, over loopback with TLS, and
a simulated tailnet; their CPU time is not counted, but they take the same cores. {python}.
A cold sync begins with the resources and nothing else. A start is measured from the start of the
process, imports and the first poll included, to the last pass; sync to the end of its process,
which waits for its events. A resync is asked for by a signal; the controller also answers a
scrape each 0.5 s. Whatever changes nothing has to write nothing, or this benchmark fails.
Calls and writes: as the API server counts them, without watches and Leases, with events, which are
written at a limited rate: run has not written all when its last pass ends. Its own count of other
writes is compared, and so is every slice with what is selected.
The peer: a loop on Kubernetes' own typed client (kubernetes.aio) that keeps nothing between two
passes. It lists resources, Services and slices and compares them with what is wanted, or gets each
child once more before it decides. It is given what is selected, writes nothing and no status."""

_HEADER = (
    f"{'median (min..max)':<40}{'wall s':>7}  {'CPU s':<20}{'peak MiB':>8}{'calls':>7}{'writes':>7}"
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured in one run. ``str()`` is the table."""

    fleet: Fleet
    measured: Measured

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        costs = self.measured.costs
        python = f"{platform.python_implementation()} {platform.python_version()}"
        yield f"Cluster: {self.fleet}"
        yield f"\n{_PREFACE.format(server=self.measured.server, python=python)}\n"
        yield _HEADER
        for name, rounds in costs.items():
            yield _row(f"{name} ({len(rounds)}x)", rounds)
        yield ""
        for name in (LISTS, GETS):
            yield _ratios(name, costs[name], costs[RESYNC])
        idle = self.measured.idle * 100
        yield f"An idle controller takes {idle:.1f} % of a core, scrapes included."
        for name in (COLD, COLD_SYNC, RESTART, SYNC, RESYNC, LISTS, GETS):
            yield f"Calls, {name}: {spelled(costs[name][-1].calls)}"


def _row(name: str, rounds: Sequence[Cost]) -> str:
    used = [one.cpu for one in rounds]
    spread = f"{statistics.median(used):.2f} ({min(used):.2f}..{max(used):.2f})"
    calls = _median(rounds, lambda one: one.calls.total())
    writes = _median(rounds, lambda one: one.writes)
    return (
        f"{name:<40}{_median(rounds, lambda one: one.wall):>7.2f}  {spread:<20}"
        f"{_median(rounds, lambda one: one.peak):>8.0f}{calls:>7.0f}{writes:>7.0f}"
    )


def _ratios(name: str, theirs: Sequence[Cost], ours: Sequence[Cost]) -> str:
    pairs = list(zip(theirs, ours, strict=True))
    times = statistics.median(a.cpu / b.cpu for a, b in pairs)
    peaks = statistics.median(a.peak / b.peak for a, b in pairs)
    calls = _median(theirs, lambda one: one.calls.total())
    return (
        f"{name}: of the CPU time of a resync {times:.1f}x, of its peak memory {peaks:.1f}x,"
        f" and {calls:.0f} calls instead of {_median(ours, lambda one: one.calls.total()):.0f}"
    )


def _median(rounds: Sequence[Cost], figure: Callable[[Cost], float]) -> float:
    return statistics.median(map(figure, rounds))
