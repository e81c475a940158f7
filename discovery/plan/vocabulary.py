"""The vocabulary of a tailnet: which tags there are, and how they read as keys and values."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from discovery.tailnet import Device
from tagselectors import Operator, TagGrammar, TagSelector

_PREFIX = "tag:"


@dataclass(frozen=True, slots=True)
class TagUse:
    """One tag: on how many eligible devices it is, and how it reads."""

    tag: str
    count: int
    key: str
    value: str
    ambiguous: bool


def tag_uses(devices: Iterable[Device], grammar: TagGrammar) -> tuple[TagUse, ...]:
    """Return every tag of the devices, sorted; a tag that no selector can ask for is left out."""
    counts = Counter(tag for device in devices for tag in device.tags)
    readings = ((tag, grammar.reading(tag)) for tag in sorted(counts))
    return tuple(
        TagUse(tag, counts[tag], reading.key, reading.value, reading.ambiguous)
        for tag, reading in readings
        if reading is not None
    )


def propose_keys(tags: Iterable[str]) -> tuple[str, ...]:
    """Return keys worth declaring, sorted, so that each tag reads in one way.

    A key is the longest beginning, up to a dash, that a tag shares with another one; a tag that
    shares none is split at its first dash, and a tag without a dash needs no key.
    """
    bodies = sorted({tag.removeprefix(_PREFIX) for tag in tags})
    shared = Counter(beginning for body in bodies for beginning in _beginnings(body))
    keys = set()
    for body in bodies:
        beginnings = _beginnings(body)
        common = [beginning for beginning in beginnings if shared[beginning] > 1]
        keys |= {(common or beginnings[:1])[-1]} if beginnings else set()
    return tuple(sorted(keys))


def most_useful(devices: Iterable[Device], grammar: TagGrammar) -> TagSelector | None:
    """Return the requirement that selects most devices, or None where no device has a tag.

    Tags that speak of ports and protocols say nothing of what a device is for.
    """
    uses = [u for u in tag_uses(devices, grammar) if u.key not in {"port", "protocol"}]
    best = min(uses, key=lambda use: (-use.count, use.tag), default=None)
    if best is None:
        return None
    return TagSelector(key=best.key, operator=Operator.IN, values=(best.value,))


def _beginnings(body: str) -> list[str]:
    """Return the possible keys of a tag, the shortest first."""
    parts = body.split("-")
    return ["-".join(parts[:count]) for count in range(1, len(parts)) if parts[count - 1]]
