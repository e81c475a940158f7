"""``python -m benchmarks``: every benchmark, one after the other."""

import sys

from benchmarks import poll, selectors


def main() -> None:
    """Print each benchmark's table."""
    selectors.run(sys.stdout)
    print()
    poll.run(sys.stdout)


if __name__ == "__main__":
    main()
