import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MANIFEST = """\
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata: {{name: {name}, namespace: default}}
spec:
  tailnet: company.ts.net
  tagSelectors: [{{key: env, operator: In, values: [{value}]}}]
  discovery: {{ports: [{{name: http, port: 80}}]}}
"""

Unprivileged = Callable[[Callable[[], None]], str]


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "api.yaml").write_text(MANIFEST.format(name="api", value="production"))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own belong to one."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def unprivileged() -> Unprivileged:
    """Call something as a user whom file permissions bind; return what it raised."""

    def call(function: Callable[[], None]) -> str:
        try:
            function()
        except OSError as error:
            return f"{error.strerror}: {error.filename}"
        return ""

    def call_as_nobody(function: Callable[[], None]) -> str:
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the child starts no thread
            child = os.fork()
        if child == 0:
            os.setuid(65534)
            os.write(writing, call(function).encode())
            sys.stdout.flush()
            os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as said:
            return said.read()

    return call if os.geteuid() else call_as_nobody
