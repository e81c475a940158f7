"""``python -m benchmarks.poll [DEVICES RESOURCES]``."""

import sys

from . import run

run(sys.stdout, *map(int, sys.argv[1:3]))
