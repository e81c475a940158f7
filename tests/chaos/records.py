"""What the controllers of a run recorded, bundled and made again offline."""

from pathlib import Path

from discovery import __version__
from discovery.recorder.bundle import pack, read
from discovery.recorder.replaying import replay


def replayed(folder: Path) -> tuple[int, list[str]]:
    """Replay every controller's bundle; return how many decisions, and which came out otherwise.

    A controller that was killed leaves what it had recorded until then.
    """
    count, others = 0, []
    rings = sorted(folder.iterdir()) if folder.exists() else []
    for ring in (one for one in rings if any(one.iterdir())):
        bundle = folder / f"{ring.name}.tar.gz"
        bundle.write_bytes(pack(ring, __version__, {}))
        decisions = replay(read(bundle))
        count += len(decisions)
        others += [
            f"{ring.name}: {one.resource} at {one.time}: {one.problem or one.differences}"
            for one in decisions
            if not one.reproduced
        ]
    return count, others
