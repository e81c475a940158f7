"""The controller against a real API server, beside a loop as it is commonly written.

``python -m benchmarks.cluster [DEVICES RESOURCES]``. It needs the programs of a control plane:
``make control-plane``, or KUBEBUILDER_ASSETS.
"""

from typing import TextIO

from .place import WrongResultError
from .report import Report
from .rounds import measure
from .workload import fleet

__all__ = ["Report", "WrongResultError", "run"]


def run(out: TextIO, devices: int = 1_000, resources: int = 200) -> Report:
    """Measure everything and print the table to ``out``; it takes some minutes.

    Raises WrongResultError where something was not as it has to be. Without the programs of a
    control plane it raises what pytest raises for a test that is skipped, or failed in CI.
    """
    wanted = fleet(devices, resources)
    report = Report(wanted, measure(wanted))
    print(report, file=out)
    return report
