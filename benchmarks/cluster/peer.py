"""The peer's process, asked for one pass at a time over a pipe."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal, Self

from benchmarks.cluster.controller import Cost
from benchmarks.cluster.place import Place, WrongResultError

Variant = Literal["lists", "gets"]


class Peer:
    """The running loop of one variant; a context manager that ends it."""

    def __init__(self, place: Place, kubeconfig: Path, namespace: str, variant: Variant) -> None:
        self._place = place
        wanted = place.folder / "wanted.json"
        wanted.write_text(json.dumps(place.fleet.addresses))
        program = [sys.executable, "-m", "benchmarks.cluster.peer_loop"]
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            [*program, kubeconfig, namespace, wanted, variant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def passed(self) -> Cost:
        """Return what one pass took. Raises WrongResultError where it would write anything."""
        orders, answers = self._process.stdin, self._process.stdout
        if orders is None or answers is None:
            raise ValueError("the peer was started without pipes")
        before = self._place.calls()
        print(file=orders, flush=True)
        answer = json.loads(answers.readline())
        if answer["differing"]:
            raise WrongResultError(f"the peer would write {answer['differing']} children")
        calls = self._place.calls() - before
        return Cost(answer["wall"], answer["cpu"], answer["peak"], calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
