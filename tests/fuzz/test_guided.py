"""A bounded run of the fuzzer that coverage guides: seconds, from a fixed seed and valid inputs."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.spoiling import (
    CONFIGURATION,
    DEVICES,
    PIECES,
    RESOURCES,
    SCALARS,
    TAGS,
    as_json,
    as_yaml,
)
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris has no wheel for this Python or machine (it has: Linux on x86-64, CPython 3.11 "
    "to 3.13); the fuzz tests without guidance run everywhere",
)
FLAGS = ("-seed=1", "-max_total_time=8", "-max_len=4096", "-timeout=5")
RUNS = {"device_list": 20_000, "one_device": 20_000, "manifests": 4_000, "configuration": 3_000}
CORPUS: dict[str, list[bytes]] = {
    "device_list": [as_json({"devices": DEVICES[:1]}), as_json({"devices": DEVICES[8:10]})],
    "one_device": [as_json(device) for device in DEVICES[::5]],
    "manifests": [as_yaml(resource) for resource in RESOURCES],
    "configuration": [as_yaml(CONFIGURATION)],
}


def fuzz(target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Fuzz a target from its valid inputs, with the pieces of YAML and JSON as a dictionary."""
    (folder / "corpus").mkdir()
    for number, content in enumerate(CORPUS[target]):
        (folder / "corpus" / str(number)).write_bytes(content)
    pieces = (*PIECES, *(f"{tag}{scalar}" for tag in TAGS for scalar in SCALARS[:3]))
    words = ["".join(f"\\x{byte:02x}" for byte in piece.encode()) for piece in pieces]
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
    command = [sys.executable, "-m", "tests.fuzz.guided", target, *FLAGS]
    return subprocess.run(  # noqa: S603 - our own interpreter
        [
            *command,
            f"-runs={RUNS[target]}",
            f"-dict={folder / 'words'}",
            f"-artifact_prefix={folder}/",
            folder / "corpus",
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
        capture_output=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_no_guided_input_gets_an_exception_out(tmp_path: Path, target: str) -> None:
    done = fuzz(target, tmp_path)
    found = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert (done.returncode, found) == (0, []), done.stderr[-4000:]
    assert "Done " in done.stderr
