"""A run in which a secret was said fails, whatever said it; another does not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = Path(__file__).with_name("planted.py")
CONFTEST = """
from tests.cli.commands.conftest import place
from tests.cli.frame.conftest import run
from tests.conftest import *
"""


def run_planted(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(PLANTED.read_text())
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", *options]
    return subprocess.run(  # noqa: S603 - our own interpreter
        [*command, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
        capture_output=True,
        check=False,
        timeout=100,
    )


def said(output: str) -> set[tuple[str, str]]:
    """Return which tests said a secret, and where."""
    return set(
        re.findall(r"^SECRET SAID: .+ is in (.+) of test_it\.py::(\w+)$", output, re.MULTILINE)
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the run of every planted test prints, on two workers."""
    return run_planted(tmp_path_factory.mktemp("planted"), "-n", "2").stdout


def test_every_channel_is_searched(finished: str) -> None:
    assert said(finished) == {
        ("log lines", "test_a_message"),
        ("log lines", "test_a_field"),
        ("log lines", "test_a_logged_error"),
        ("log lines", "test_a_form_of_it"),
        ("exceptions", "test_an_expected_error"),
        ("exceptions", "test_an_error_of_the_configuration"),
        ("exceptions", "test_an_error_of_a_client"),
        ("exceptions", "test_an_error_that_fails_a_test"),
        ("exceptions", "test_a_group_of_errors"),
        ("output", "test_what_is_printed"),
        ("output", "test_what_a_test_reads"),
        ("output", "test_a_program_of_its_own"),
        ("output", "test_a_program_that_is_run"),
        ("metrics", "test_a_metric"),
        ("files", "test_a_file"),
        ("recordings", "test_a_recording"),
    }


@pytest.mark.parametrize(
    "name",
    [
        "one in a URL",
        "one in base64 after 0",
        "one in base64 after 1",
        "one in base64 after 2",
        "one in JSON",
        "one cut in two",
    ],
)
def test_each_form_of_a_secret_is_found(finished: str, name: str) -> None:
    test = "test_it.py::test_a_form_of_it"
    assert f"SECRET SAID: {name} of {test} is in log lines of {test}\n" in finished


def test_a_secret_that_can_not_be_searched_for_is_named(finished: str) -> None:
    assert (
        "SECRET TOO SHORT to be searched for (at least 7 characters): "
        "a credential of test_it.py::test_a_secret_that_is_too_short\n"
    ) in finished


def test_a_leak_fails_a_run_of_which_every_test_passed(tmp_path: Path) -> None:
    done = run_planted(tmp_path, "-k", "a_message")
    assert "1 passed" in done.stdout
    assert done.returncode == 1
    assert said(done.stdout) == {("log lines", "test_a_message")}
    assert "planted+in" not in done.stdout


def test_a_run_that_says_nothing_passes(tmp_path: Path) -> None:
    done = run_planted(tmp_path, "-k", "nothing_is_said")
    assert "1 passed" in done.stdout
    assert (done.returncode, said(done.stdout)) == (0, set())
