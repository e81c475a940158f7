"""What a process has used so far (Linux)."""

import time
from pathlib import Path


def cpu(pid: int) -> float:
    """Return the CPU seconds of a running process, user and system, of all its threads."""
    # The clock's number is made as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2)


def peak(pid: int | str = "self") -> float:
    """Return the peak of a running process's resident memory, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
