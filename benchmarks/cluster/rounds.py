"""Rounds: what is measured, in its order, and what must be true of each."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cluster.controller import Controller, Cost, sync
from benchmarks.cluster.peer import Peer
from benchmarks.cluster.place import Place, WrongResultError, place, spelled
from benchmarks.cluster.workload import Fleet

_STARTS = 3  # of each command
_RESYNCS = 9
_IDLE = 5.0  # seconds

COLD = "cold sync by run"
COLD_SYNC = "cold sync by sync"
RESTART = "run started again, nothing changed"
SYNC = "sync again, nothing changed"
RESYNC = "resync of the running controller"
LISTS = "peer: lists"
GETS = "peer: lists, and gets each child"
NO_CHANGE = (RESTART, SYNC, RESYNC)


@dataclass(slots=True)
class Measured:
    """The rounds of each thing measured, by its name in the table.

    ``idle`` is CPU seconds per second; ``server`` names the API server and its version.
    """

    costs: dict[str, list[Cost]] = field(default_factory=dict)
    idle: float = 0.0
    server: str = ""


def measure(fleet: Fleet) -> Measured:
    """Run all rounds. Raises WrongResultError where one did not do what it had to."""
    measured = Measured()
    with tempfile.TemporaryDirectory() as folder, place(fleet, Path(folder)) as there:
        measured.server = f"kube-apiserver {there.version()}"
        _measure_cold(there, measured)
        _measure_unchanged(there, measured)
        for name in NO_CHANGE:
            for cost in measured.costs[name]:
                if cost.writes:
                    raise WrongResultError(f"{name}, but sent: {spelled(cost.calls)}")
    return measured


def _measure_cold(there: Place, measured: Measured) -> None:
    for number in range(_STARTS):
        namespace = f"cold-{number}"
        kubeconfig = there.prepare(namespace)
        with Controller(there, kubeconfig, namespace) as running:
            _add(measured, COLD, running.started())
        there.check(namespace)
    # Once only: it ends when the last event is written, which is limited to some in a second.
    kubeconfig = there.prepare("synced")
    _add(measured, COLD_SYNC, sync(there, kubeconfig, "synced"))
    there.check("synced")


def _measure_unchanged(there: Place, measured: Measured) -> None:
    kubeconfig, namespace = there.server.kubeconfig(namespace="synced"), "synced"
    for _ in range(_STARTS):
        _add(measured, SYNC, sync(there, kubeconfig, namespace))
        with Controller(there, kubeconfig, namespace) as running:
            _add(measured, RESTART, running.started())
    with (
        Controller(there, kubeconfig, namespace) as running,
        Peer(there, kubeconfig, namespace, "lists") as lists,
        Peer(there, kubeconfig, namespace, "gets") as gets,
    ):
        running.started()
        measured.idle = running.idle(_IDLE)
        for _ in range(_RESYNCS):
            _add(measured, RESYNC, running.resynced())
            _add(measured, LISTS, lists.passed())
            _add(measured, GETS, gets.passed())


def _add(measured: Measured, name: str, cost: Cost) -> None:
    measured.costs.setdefault(name, []).append(cost)
