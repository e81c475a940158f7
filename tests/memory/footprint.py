"""What a process holds in memory, and what of it has grown: by count, never by time."""

import gc
import os
import sys
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path

BLOCKS = 500
"""Blocks of memory that may come: whatever is kept of each poll or device costs one or more."""
OBJECTS = 150
"""Objects of one type that may come, as the last lists have left them."""
ITEMS = 150
"""Items that a container may have more."""
SMALL = 64
"""Items of containers that are not looked at: what is noted of all would be growth by itself."""
RESIDENT = 4 * 2**20
"""Bytes of the process that may come: the memory of objects that were freed is not given back."""

_CONTAINERS = (list, dict, set, deque)


@dataclass(frozen=True)
class Footprint:
    """Every block that is allocated, every object by type, and the size of every large container.

    ``own`` are the blocks that this record takes up itself.
    """

    blocks: int
    own: int
    objects: Counter[str]
    containers: dict[int, tuple[str, int]]
    resident: int

    @classmethod
    def take(cls) -> "Footprint":
        """Look at the whole process, once what is garbage is gone."""
        for _ in range(3):  # tuples of tuples of texts are let go of from the inside
            gc.collect()
        blocks = sys.getallocatedblocks()
        objects, containers = _look()
        own = sys.getallocatedblocks() - blocks
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(blocks, own, objects, containers, pages * os.sysconf("SC_PAGE_SIZE"))

    def growth_since(self, before: "Footprint") -> list[str]:
        """Return what has grown by more than noise, a line each."""
        grown = []
        blocks, resident = self.blocks - before.blocks - before.own, self.resident - before.resident
        if blocks > BLOCKS:
            grown.append(f"{blocks} blocks more")
        if resident > RESIDENT:
            grown.append(f"{resident} bytes more")
        grown += [
            f"{count} more of {name}"
            for name, count in (self.objects - before.objects).items()
            if count > OBJECTS
        ]
        for place, (name, size) in self.containers.items():
            known, earlier = before.containers.get(place, (name, SMALL))
            if name == known and size - earlier > ITEMS and place != id(before.objects):
                grown.append(f"a {name} has grown from {earlier} or less to {size}")
        return grown


def _look() -> tuple[Counter[str], dict[int, tuple[str, int]]]:
    """Return the objects by type, and type and size of each large container by its place."""
    found = gc.get_objects()
    large = (one for one in found if isinstance(one, _CONTAINERS) and len(one) >= SMALL)
    containers = {id(one): (_type_of(one), len(one)) for one in large}
    return Counter(_type_of(one) for one in found), containers


def _type_of(one: object) -> str:
    return f"{type(one).__module__}.{type(one).__qualname__}"
