"""YAML and JSON text as plain values, with the line of each; pure, and never an exception.

Only what JSON has comes out: dates stay text, as in kubectl, and every other tag is refused.
Duplicate keys are refused, since one of the two would be lost without a word.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from discovery.findings import Path

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000
"""Values of one document after its aliases are written out; a few lines of aliases can be more."""

_TAG: Final = "tag:yaml.org,2002:"
_TEXTS: Final = frozenset({"str", "timestamp", "value", "merge"})
_TRUE: Final = frozenset({"true", "yes", "on"})
_MOST_DIGITS: Final = 40
_BASES: Final = {"0b": 2, "0x": 16, "0o": 8}


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a text: its number from 1, its value, and what knows the lines of it."""

    number: int
    value: Any
    root: yaml.Node | None = None

    def line_of(self, path: Path) -> int | None:
        """Return the line of a path, or of the nearest place above it that is in the text."""
        if self.root is None:
            return None
        node, line = self.root, self.root.start_mark.line + 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line


@dataclass(frozen=True, slots=True)
class Fault:
    """A document, by its number from 1, that can not be read, and where and why."""

    number: int
    line: int | None
    path: Path
    message: str


def read_documents(text: str) -> Iterator[Document | Fault]:
    """Yield the documents of a text in order, empty ones left out but counted.

    After a syntax error nothing more can be read; any other fault spoils its own document alone.
    """
    number = 0
    try:
        loader = yaml.CSafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            number += 1
            yield from _read(number, node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        yield Fault(number + 1, line, (), f"is no YAML: {error.reason}")
    except yaml.MarkedYAMLError as error:
        yield _syntax_fault(number + 1, error)
    except UnicodeError:
        yield Fault(number + 1, None, (), "is no YAML: it holds characters that are no text")


def _read(number: int, node: yaml.Node | None) -> Iterator[Document | Fault]:
    if node is None:
        return
    try:
        value = _Reader(number).value_of(node, ())
    except _Refused as refused:
        yield refused.fault
    else:
        if value is not None:
            yield Document(number, value, node)


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    """Return the line and the node of one step of a path; None where the text has no such step."""
    if isinstance(node, yaml.MappingNode) and isinstance(step, str):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line + 1, item
    return None


class _Refused(Exception):  # noqa: N818 - it carries a fault, and never leaves this module
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class _Reader:
    """Turns the nodes of one document into values."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._values = 0

    def value_of(self, node: yaml.Node, path: Path) -> Any:
        self._count(node, path)
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.value_of(item, (*path, at)) for at, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, kind, path)
        raise self._refused(node, path, f"has the tag {node.tag}, which no manifest can have")

    def _count(self, node: yaml.Node, path: Path) -> None:
        """Bound what aliases can make of a short text."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._refused(node, (), f"holds more than {MAX_VALUES} values")
        if len(path) > MAX_DEPTH:
            raise self._refused(node, (), f"is nested more than {MAX_DEPTH} levels deep")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                merged = self._merged(value_node, path) | merged
                continue
            key = self._key(key_node, path)
            if key in own:
                message = f"stands twice in one mapping, first in line {lines[key]}"
                raise self._refused(key_node, (*path, key), message)
            lines[key] = key_node.start_mark.line + 1
            own[key] = self.value_of(value_node, (*path, key))
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        """Return what ``<<`` brings in: a mapping, or a list of which the first wins."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        below = (*path, "<<")
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise self._refused(source, path, "has a merge key << without a mapping")
            self._count(source, below)
            found = self._mapping(source, below) | found
        return found

    def _key(self, node: yaml.Node, path: Path) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._refused(node, path, "has a key that is no text")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, kind: str, path: Path) -> Any:
        text = str(node.value)
        if kind in _TEXTS:
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in _TRUE
        if kind not in {"int", "float"}:
            raise self._refused(node, path, f"has the tag {node.tag}, which no manifest can have")
        try:
            return _number(text, kind)
        except ValueError:
            raise self._refused(node, path, "is no number that JSON can have") from None

    def _refused(self, node: yaml.Node, path: Path, message: str) -> _Refused:
        return _Refused(Fault(self._number, node.start_mark.line + 1, path, message))


def _number(text: str, kind: str) -> int | float | str:
    if ":" in text:  # YAML 1.1 reads 22:30 as a number in base 60; kubectl reads it as text
        return text
    digits = text.replace("_", "").lower()
    if kind == "float":
        if not math.isfinite(value := float(digits)):
            raise ValueError(text)
        return value
    unsigned = digits.lstrip("+-")
    if len(unsigned) > _MOST_DIGITS:
        raise ValueError(text)
    octal = len(unsigned) > 1 and unsigned.startswith("0")
    return int(digits, _BASES.get(unsigned[:2], 8 if octal else 10))


def _syntax_fault(number: int, error: yaml.MarkedYAMLError) -> Fault:
    """Return the one line that a YAML error comes to, with its line and column."""
    what = ": ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Fault(number, None, (), f"is no YAML: {what}")
    where = f"line {mark.line + 1}, column {mark.column + 1}"
    return Fault(number, mark.line + 1, (), f"is no YAML: {what} ({where})")
