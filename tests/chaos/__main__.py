"""``python -m tests.chaos``: chaos for as long as asked; exit code 1 tells of a violation."""

import argparse
import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.driver import Driver
from tests.chaos.report import Report
from tests.controlplane.server import OwnControlPlane


def chaos(seed: int, seconds: float, folder: Path) -> Report:
    """Run once with a control plane of its own, whose logs stay in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = OwnControlPlane(folder / "control-plane", os.getpid())
    server.start()
    try:
        server.install_crd()
        return asyncio.run(Driver(server, seed, folder).run(seconds))
    finally:
        server.kill()


def main() -> int:
    """Run each seed; stop at the first that shows a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of one run (default 120)")
    parser.add_argument("--minutes", type=float, help="of one run, instead of --seconds")
    parser.add_argument("--seed", type=int, help="of one run (default: a random one)")
    parser.add_argument("--seeds", help="the first and the last seed of many runs: 1-20")
    parser.add_argument("--folder", type=Path, help="for logs (default: a new temporary one)")
    given = parser.parse_args()
    seconds = given.minutes * 60 if given.minutes else given.seconds
    first = given.seed if given.seed is not None else secrets.randbelow(10**6)
    seeds = range(first, first + 1)
    if given.seeds:
        begin, _, end = given.seeds.partition("-")
        seeds = range(int(begin), int(end or begin) + 1)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    for seed in seeds:
        sys.stdout.write(f"seed {seed}, {seconds:g} s, logs in {folder / str(seed)}\n")
        sys.stdout.flush()
        report = chaos(seed, seconds, folder / str(seed))
        sys.stdout.write(f"{report.text()}\n")
        if not report.is_clean:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
