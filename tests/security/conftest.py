"""The program over manifests, and over the real API server, beside a simulated tailnet."""

from tests.cli.commands.conftest import environ, own_logging, place, program
from tests.cluster.conftest import cluster, log, programs, simulator, state

__all__ = [
    "cluster",
    "environ",
    "log",
    "own_logging",
    "place",
    "program",
    "programs",
    "simulator",
    "state",
]
