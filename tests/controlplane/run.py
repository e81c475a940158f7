"""What the workers of one test run share: a control plane, and a controller manager for it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.controlplane.access import ControlPlane
from tests.controlplane.processes import Process
from tests.controlplane.server import OwnControlPlane, start_controller_manager

_kept: list[Process | OwnControlPlane] = []  # they outlive the worker that has started them


@dataclass(frozen=True, slots=True)
class Run:
    """A test run: a folder that all of its workers see, and the process that ends last."""

    folder: Path
    pid: int


def this_run(tmp: pytest.TempPathFactory) -> Run:
    """Return the run that this process is, or is a worker of (pytest-xdist starts workers)."""
    base = tmp.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        return Run(base.parent, os.getppid())
    return Run(base, os.getpid())


def shared_control_plane(run: Run) -> ControlPlane:
    """Return the control plane of the run, which the first worker that asks starts."""
    folder = run.folder / "control-plane"
    with _once(run, "control-plane") as is_first:
        if is_first:
            server = OwnControlPlane(folder, run.pid)
            server.start()
            server.install_crd()
            server.close()
            _kept.append(server)
    return ControlPlane(folder)


def shared_controller_manager(run: Run, server: ControlPlane) -> None:
    """Return when kube-controller-manager runs for the control plane of the run."""
    with _once(run, "controller-manager") as is_first:
        if is_first:
            _kept.append(start_controller_manager(server, run.pid))


@contextmanager
def _once(run: Run, what: str) -> Iterator[bool]:
    """Hold a lock of the run; tell whether nobody has left this block before without an error."""
    done = run.folder / f"{what}.done"
    with (run.folder / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()
