"""``python -m benchmarks``: every benchmark, each in a process of its own.

What one leaves in memory would otherwise be counted as another's.
"""

import subprocess
import sys


def main() -> int:
    """Print each benchmark's table; 1 where one of them failed."""
    failed = 0
    for name in ("selectors", "poll", "cluster"):
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)  # noqa: S603 (our own modules)
        failed = max(failed, int(done.returncode != 0))
        print(flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
