"""Runs a program that can not outlive another process: tether.py PIDFD PROGRAM ARGUMENT...

PIDFD is an inherited file descriptor of that process (pidfd_open). When it ends, in whatever way,
the program is killed; when this process is killed, the kernel kills the program too.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main(pidfd: int, command: list[str]) -> int:
    """Run the program to its end, or to the end of the watched process."""
    libc = ctypes.CDLL(None)
    # The parent is this main thread and there is no other, so preexec_fn is safe.
    program = subprocess.Popen(  # noqa: S603
        command,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
    )
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    waiting = select.poll()
    for each in (pidfd, os.pidfd_open(program.pid)):
        waiting.register(each, select.POLLIN)
    if pidfd in dict(waiting.poll()):
        program.kill()
    return program.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
