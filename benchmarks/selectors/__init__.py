"""Selectors: the index against compiled Go peers. ``python -m benchmarks.selectors [--quick]``."""

from typing import TextIO

from .report import Report
from .rounds import Size, measure

__all__ = ["Report", "run"]

_SIZES = (Size(1_000, 10), Size(10_000, 1_000), Size(100_000, 1_000))
_ROUNDS = 5


def run(out: TextIO, *, quick: bool = False) -> Report:
    """Measure all sizes, or with ``quick`` all but the largest, and print the table to ``out``.

    Raises NoCompilerError without a Go compiler and MismatchError where the sides disagree.
    """
    sizes = _SIZES[:2] if quick else _SIZES
    report = Report(_ROUNDS, tuple(measure(size, _ROUNDS) for size in sizes))
    print(report, file=out)
    if quick:
        print(f"\nLeft out (quick): {_SIZES[2]}.", file=out)
    return report
