"""``python -m benchmarks.selectors [--quick]``."""

import argparse
import sys

from . import run
from .peer import NoCompilerError
from .rounds import MismatchError


def main() -> int:
    """Print the table; 1 where the sides disagree, 3 where the peers can not be built."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selectors", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the largest size")
    try:
        run(sys.stdout, quick=parser.parse_args().quick)
    except (MismatchError, NoCompilerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, MismatchError) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
