"""Whether a command printed what the page shows: times, ages, identities and spacing aside."""

import re
from collections.abc import Sequence

ANYTHING = "…"
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"\b(?:\d+[dhms]){1,2}\b"), "AGE"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "https://api.tailscale.com"),
    (re.compile(r"[ \t]+"), " "),
)


def says(expected: Sequence[str], printed: str) -> bool:
    """Tell whether the output fits; ``…`` stands for anything, on a line of its own for lines."""
    pattern = "".join("(?:.*\n)*?" if line == ANYTHING else f"{_line(line)}\n" for line in expected)
    return re.fullmatch(pattern, masked(printed)) is not None


def masked(text: str) -> str:
    """Return the text without what differs from run to run; widths of columns follow from it."""
    for pattern, word in _MASKS:
        text = pattern.sub(word, text)
    lines = [line.rstrip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _line(text: str) -> str:
    plain = masked(text).rstrip("\n")
    return ".*?".join(re.escape(part) for part in plain.split(ANYTHING))
