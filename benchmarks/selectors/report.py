"""The table: medians, spreads and ratios, and everything a reader must know to judge them."""

import gc
import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .rounds import Measured

_HEADER = f"{'':<40}{'median ms':>10}  {'min..max ms':<18}{'of Go map':>10}{'of Go scan':>12}"


@dataclass(frozen=True, slots=True)
class Report:
    """All sizes measured in one run. ``str()`` is the table."""

    rounds: int
    sizes: tuple[Measured, ...]

    def __str__(self) -> str:
        return "\n".join(
            [*_preface(self.rounds), *(line for each in self.sizes for line in _size(each))]
        )


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median of the per-round ratios: how many times longer they take."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def _preface(rounds: int) -> Iterator[str]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield "Selectors: every resource's selector against every device's tags"
    yield ""
    yield f"{python}, garbage collector {'on' if gc.isenabled() else 'off'}, collected before each."
    yield f"CPU time (user and system) on both sides, {rounds} rounds in turn, one process each."
    yield "Go map: a fresh map of the device's tags per requirement, as controllers commonly do."
    yield "Go scan: reads the tags in place, allocates nothing. Both keep no index, so that after a"
    yield "change they match everything again. Ratios are medians per round; matches are compared."
    yield "The peers split at dashes only and know no declared keys, which the data does not need."


def _size(measured: Measured) -> Iterator[str]:
    size, times = measured.size, measured.times
    full = times.full
    compiled = [a + b for a, b in zip(times.compile, full, strict=True)]
    lists = [a + b for a, b in zip(full, times.materialise, strict=True)]
    before = (times.peer_map, times.peer_scan)
    after = (None, times.peer_scan_after)
    yield f"\n{size}: {measured.matches:,} matches"
    yield _HEADER
    yield _row("full evaluation (index and masks)", full, *before)
    yield _row("  and selectors compiled first", compiled, *before)
    yield _row("  and all matches as lists of IDs", lists, *before)
    yield _row("again after 1 % of the devices changed", times.update, *after)
    yield _row("  mean of 120, one compaction among them", times.updates, *after)
    scaled = "" if size.scale == 1 else f" (scaled from {size.sample} resources)"
    yield _row(f"Go map{scaled}", times.peer_map)
    yield _row(f"Go scan{scaled}", times.peer_scan)
    yield _row(f"Go scan after the change{' (scaled)' if scaled else ''}", times.peer_scan_after)


def _row(
    name: str,
    seconds: Sequence[float],
    peer_map: Sequence[float] | None = None,
    peer_scan: Sequence[float] | None = None,
) -> str:
    low, high = min(seconds) * 1e3, max(seconds) * 1e3
    ratios = "".join(
        f"{f'{ratio(peer, seconds):,.1f}x' if peer else '':>{width}}"
        for peer, width in ((peer_map, 10), (peer_scan, 12))
    )
    spread = f"{low:,.2f}..{high:,.2f}"
    return f"{name:<40}{statistics.median(seconds) * 1e3:>10,.2f}  {spread:<18}{ratios}".rstrip()
