"""``python -m benchmarks.cluster [DEVICES RESOURCES]``."""

import sys

import pytest

from . import WrongResultError, run


def main() -> int:
    """Print the table; 1 where something is not as it has to be, 3 without an API server."""
    try:
        run(sys.stdout, *map(int, sys.argv[1:3]))
    except WrongResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
