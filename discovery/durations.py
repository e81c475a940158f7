"""Durations as people write them in manifests and configuration: ``30s``, ``1m30s``, ``1.5h``."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
DURATION_FORM: Final = "must be a duration such as 30s, 1m30s or 500ms"
MAX_LENGTH: Final = 32
"""Longest text that is read; no duration anybody means is longer."""

_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_MICROSECONDS: Final = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_LONGEST: Final = timedelta(days=36_500)


def parse_duration(text: str) -> timedelta:
    """Parse a duration, to the microsecond; a ValueError says what the form is.

    The units are those of Go's durations that Kubernetes uses: ``ms``, ``s``, ``m``, ``h``.
    """
    if len(text) > MAX_LENGTH or not re.fullmatch(DURATION_PATTERN.strip("^$"), text, re.ASCII):
        raise ValueError(DURATION_FORM)
    total = sum(Decimal(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(text))
    if total > _LONGEST // timedelta(microseconds=1):
        raise ValueError(f"{DURATION_FORM}, and at most 100 years")
    return timedelta(microseconds=int(total))


def format_duration(duration: timedelta) -> str:
    """Write a duration in its one canonical spelling: ``90 s`` is ``1m30s``, nothing is ``0s``."""
    microseconds = duration // timedelta(microseconds=1)
    hours, microseconds = divmod(microseconds, _MICROSECONDS["h"])
    minutes, microseconds = divmod(microseconds, _MICROSECONDS["m"])
    seconds = Decimal(microseconds) / _MICROSECONDS["s"]
    parts = (f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", _seconds(seconds))
    return "".join(parts) or "0s"


def _seconds(seconds: Decimal) -> str:
    return f"{seconds.normalize():f}s" if seconds else ""
