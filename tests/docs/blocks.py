"""What a page of the guide asks a reader to do, and what it says the reader will see.

A ``console`` block holds commands after ``$`` (``>`` continues one) and the output of each. A
``yaml`` block with a file's name beside the language is saved under it. A comment
``<!-- test: … -->`` says what the page itself can not: ``skip REASON`` and ``exits N`` of the block
that follows, or an act of the :class:`~tests.docs.world.World` that happens elsewhere, such as in
an admin console.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*) ?(.*)$")
_COMMENT = re.compile(r"^<!-- test: (\w+) ?(.*) -->$")


@dataclass(frozen=True, slots=True)
class Command:
    """A command, what it is to print, and the exit code; ``skipped`` says why it can not run."""

    place: str
    text: str
    expected: tuple[str, ...]
    code: int = 0
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader saves."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done to the world by other means than a command."""

    place: str
    name: str
    argument: str


Step = Command | File | Act


def steps(page: Path, section: str = "") -> Iterator[Step]:
    """Yield what is to be done, in the page's order, in all of it or under one heading.

    ValueError tells of a block that has no end.
    """
    marks: dict[str, str] = {}
    lines = _lines(page, section)
    for place, line in lines:
        if comment := _COMMENT.match(line):
            if comment[1] in {"skip", "exits"}:
                marks[comment[1]] = comment[2]
            else:
                yield Act(place, comment[1], comment[2])
        elif fence := _FENCE.match(line):
            content = list(_fenced(lines, place))
            if fence[1] == "console":
                yield from _commands(content, place, marks)
                marks = {}
            elif fence[2]:
                yield File(fence[2], "\n".join(content) + "\n")


def _lines(page: Path, section: str) -> Iterator[tuple[str, str]]:
    """Yield every line of the section, or of the page, after its place."""
    heading = ""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        if section in {"", heading}:
            yield f"{page.name}:{number}", line


def _fenced(lines: Iterator[tuple[str, str]], place: str) -> Iterator[str]:
    for _, line in lines:
        if line == "```":
            return
        yield line
    raise ValueError(f"{place}: the block has no end")


def _commands(content: list[str], place: str, marks: dict[str, str]) -> Iterator[Command]:
    code, skipped = int(marks.get("exits", "0")), marks.get("skip", "")
    text, expected = "", list[str]()
    for line in [*content, "$ "]:
        if line.startswith("> ") and not expected:
            text += f"\n{line[2:]}"
        elif line.startswith("$ "):
            if text:
                yield Command(place, text, tuple(expected), code, skipped)
            text, expected = line[2:], []
        else:
            expected.append(line)
