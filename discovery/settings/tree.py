"""Raw settings while they are put together: plain mappings, lists and texts, each with its origin.

A later source wins over an earlier one, key by key; a list is replaced whole, unless an index names
one of its entries.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]
"""Where a value stands: ``("tailnets", 0, "pollInterval")``."""


def spelled(path: Path) -> str:
    """Write a path as people read it: ``tailnets[0].pollInterval``."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Override:
    """A value from the environment or a flag. ``origin`` is the variable's or the flag's name."""

    path: Path
    value: Any = field(repr=False)  # it may be a secret
    origin: str


@dataclass(slots=True)
class Tree:
    """The values gathered so far, and for each path that a source named, which source."""

    values: dict[str, Any] = field(default_factory=dict, repr=False)  # secrets among them
    origins: dict[Path, str] = field(default_factory=dict)

    def origin(self, path: Path) -> str:
        """Return where the value at ``path`` comes from: its own origin or its parent's."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return self.origins.get((), "default")

    def put(self, override: Override) -> bool:
        """Store a value; False where an index leaves a gap or a parent has the wrong type."""
        node: Any = self.values
        steps = override.path
        for step, following in zip(steps, (*steps[1:], None), strict=True):
            if not _reachable(node, step):
                return False
            if following is None:
                fresh = override.value
            else:
                fresh = _child(node, step)
                fresh = ([] if isinstance(following, int) else {}) if fresh is None else fresh
            _store(node, step, fresh)
            node = fresh
        self._forget_below(steps)
        self.origins[steps] = override.origin
        return True

    def _forget_below(self, path: Path) -> None:
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]


def leaves(values: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value with its path; a list of plain values counts as one value."""
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from leaves(value, (*path, key))
    elif isinstance(values, list) and any(isinstance(value, dict) for value in values):
        for index, value in enumerate(values):
            yield from leaves(value, (*path, index))
    else:
        yield path, values


def _reachable(node: Any, step: str | int) -> bool:
    if isinstance(step, int):
        return isinstance(node, list) and step <= len(node)
    return isinstance(node, dict)


def _child(node: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return node[step] if step < len(node) else None
    return node.get(step)


def _store(node: Any, step: str | int, value: Any) -> None:
    if isinstance(step, int) and step == len(node):
        node.append(value)
    else:
        node[step] = value
