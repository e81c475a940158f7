"""The bodies of three polls, written by a process of their own: ``bodies.py FOLDER DEVICES``.

Building them takes more memory than polling does, which must not hide what polling takes.
"""

import random
import sys
from pathlib import Path

from benchmarks.decode.__main__ import body_of, device
from benchmarks.selectors.workload import generate


def main() -> None:
    """Write ``first``, ``steady`` (other bytes, the same facts) and ``moved`` (1 % changed)."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    workload = generate(count, 0)
    rng = random.Random(1)
    devices = [device(number, rng) for number in range(count)]
    for number, tags in workload.tags.items():
        devices[number]["tags"] = list(tags)
    moved = [{**d, "tags": list(workload.changed.get(n, d["tags"]))} for n, d in enumerate(devices)]
    updated = [{**devices[0], "clientVersion": "1.104.0"}, *devices[1:]]
    for name, list_ in (("first", devices), ("steady", updated), ("moved", moved)):
        (folder / name).write_bytes(body_of(list_))


if __name__ == "__main__":
    main()
