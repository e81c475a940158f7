import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.security.transcripts import note

Finished = subprocess.CompletedProcess[str]
Run = Callable[..., Finished]


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without settings, so that the tests do not depend on who runs them."""
    ours = ("TAILNET_DISCOVERY_", "TS_", "_TAILNET_DISCOVERY", "NO_COLOR", "FORCE_COLOR")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the program in a process of its own, in an empty folder."""

    def run_it(*arguments: str, **environ: str) -> Finished:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "discovery", *arguments],
            cwd=tmp_path,
            env=clean_environment(**environ),
            text=True,
            capture_output=True,
            check=False,
            timeout=30,
        )
        note("output", f"{done.stdout}\n{done.stderr}")
        return done

    return run_it
