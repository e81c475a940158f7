"""Programs that run beside the tests and end with them."""

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
POLL = 0.05  # seconds; a server says by nothing but an answer that it is ready
START_WITHIN = 60.0  # seconds, on a machine that is busy with other tests


class NotStartedError(Exception):
    """A program ended, or said nothing, before it was ready."""


class Process:
    """A program that ends at the latest when the watched process does, even by SIGKILL."""

    def __init__(
        self, program: Path, arguments: Sequence[str], log: Path, watched_pid: int
    ) -> None:
        self.log = log
        pidfd = os.pidfd_open(watched_pid)
        with log.open("ab") as output:
            self._tether = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", TETHER, str(pidfd), program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[pidfd],
                start_new_session=True,  # Ctrl-C is for the tests, which still need the program
            )
        os.close(pidfd)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when ready; raise when the program has ended or needs too long."""
        end = time.monotonic() + START_WITHIN
        while not ready():
            if self._tether.poll() is not None or time.monotonic() > end:
                self.kill()
                raise NotStartedError(f"{self.log.name}: {self.log.read_text()[-3000:]}")
            time.sleep(POLL)

    def stop(self) -> None:
        """End it as an administrator would; kill it when it needs more than 2 s.

        An API server does: it waits up to a minute for the watches of its clients.
        """
        self._tether.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._tether.wait(2)
        self.kill()

    def kill(self) -> None:
        """End it at once; the kernel ends the program with its tether."""
        self._tether.kill()
        self._tether.wait()


def free_port() -> int:
    """Return a port of loopback that nobody listens on.

    It is below those that Linux gives to outgoing connections, so none takes it before it is used,
    or while a server restarts. Another listener still can: who binds it must be ready to try again.
    """
    while True:
        port = random.randint(20000, 32000)  # noqa: S311
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
