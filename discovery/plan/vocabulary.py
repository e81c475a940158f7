"""The vocabulary of a tailnet: which tags there are, and how they read as keys and values."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from discovery.tailnet import Device
from tagselectors import Operator, TagGrammar, TagSelector
from tagselectors.grammar import is_key, is_value


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

    A key is the longest beginning, up to a separator, that a tag shares with another one; a tag
    that shares none is split at its first separator, and a tag without one needs no key.
    """
    found = [beginnings for tag in set(tags) if (beginnings := _beginnings(tag))]
    shared = Counter(key for beginnings in found for key in beginnings)
    keys = set()
    for beginnings in found:
        common = [key for key in beginnings if shared[key] > 1]
        keys.add((common or beginnings[:1])[-1])
    return tuple(sorted(keys))


def most_useful(devices: Iterable[Device], grammar: TagGrammar) -> TagSelector | None:
    """Return the requirement that selects most devices, or None where no device has a tag.

    Tags that speak of ports and protocols say nothing of what a device is for.
    """
    uses = [
        use
        for use in tag_uses(devices, grammar)
        if use.key not in {"port", "protocol"} and is_value(use.value)
    ]
    best = min(uses, key=lambda use: (-use.count, use.tag), default=None)
    if best is None:
        return None
    return TagSelector(key=best.key, operator=Operator.IN, values=(best.value,))


def _beginnings(tag: str) -> list[str]:
    """Return the possible keys of a tag that leave something to be its value, shortest first."""
    return [key for key, _ in TagGrammar().readings(tag)[:-1] if is_key(key)]
