import os
from pathlib import Path

import click
import pytest

from discovery.__main__ import run
from discovery.cli import COMMANDS, LOG_FORMATS, LOG_LEVELS, LazyCommand
from discovery.cli.errors import CommandError, ExitCode, OutputClosedError, failure_of
from discovery.clients.errors import (
    AuthError,
    InventoryError,
    MalformedAnswerError,
    TransientError,
)
from discovery.clients.kube.errors import NotServedError
from discovery.clients.kube.lease import LeadershipLostError
from discovery.settings import ConfigError, LogFormat, LogLevel


@pytest.mark.parametrize(
    ("error", "lines", "code"),
    [
        (ConfigError("a (b). c", "d (e). f"), ("a (b). c", "d (e). f"), 3),
        (CommandError("a", "b", "c."), ("a (b). c.",), 3),
        (CommandError("a", "b", "c.", exit_code=ExitCode.PARTLY), ("a (b). c.",), 6),
        (AuthError("refused", where="GET /x", status=401), ("refused (GET /x, HTTP 401)",), 4),
        (TransientError("no answer", where="GET /x"), ("no answer (GET /x)",), 5),
        (MalformedAnswerError("no JSON", where="GET /x"), ("no JSON (GET /x)",), 5),
        (InventoryError("no JSON", where="d.json"), ("no JSON (d.json)",), 3),
        (
            NotServedError("404 page not found", where="GET /x", status=404),
            (
                (
                    "the cluster does not know this kind: 404 page not found (GET /x, HTTP 404). "
                    "Is the CRD installed? "
                    "`tailnet-discovery crd | kubectl apply --server-side -f -`"
                ),
            ),
            5,
        ),
        (
            LeadershipLostError("leadership lost: another holds it (lease a/b)"),
            (
                (
                    "leadership lost: another holds it (lease a/b). Nothing more is written here; "
                    "start it again."
                ),
            ),
            5,
        ),
        (
            FileNotFoundError(2, "No such file or directory", "x.yaml"),
            (
                (
                    "No such file or directory (x.yaml). "
                    "Check that it is there and that you may use it."
                ),
            ),
            3,
        ),
        (click.FileError("x.yaml", "gone"), ("Could not open file 'x.yaml': gone",), 3),
        (click.Abort(), (), 130),
        (KeyboardInterrupt(), (), 130),
        (OutputClosedError(), (), 141),
        (BrokenPipeError(), (), 141),
        (
            ExceptionGroup("x", [ValueError("y"), AuthError("refused", where="GET /x")]),
            ("refused (GET /x)",),
            4,
        ),
    ],
)
def test_an_exception_ends_in_its_line_and_exit_code(
    error: BaseException, lines: tuple[str, ...], code: int
) -> None:
    assert failure_of(error) == (lines, code)


def test_an_unexpected_exception_names_its_place_and_not_its_text() -> None:
    try:
        int("hunter2")
    except ValueError as exc:
        lines, code = failure_of(exc)

    assert code == 70
    assert lines[0].startswith("unexpected ValueError (test_failures.py:")
    assert lines[0].endswith(
        "This is a defect: run again with --debug before the command, and report it."
    )
    assert "hunter2" not in lines[0]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A command of the table whose module raises or returns what the test says."""
    (tmp_path / "told_command.py").write_text(
        "import click\n"
        "@click.command()\n"
        "@click.argument('what')\n"
        "def told(what):\n"
        "    if what == 'pipe':\n"
        "        raise BrokenPipeError\n"
        "    if what == 'interrupt':\n"
        "        raise KeyboardInterrupt\n"
        "    if what == 'defect':\n"
        "        raise ValueError('words of a defect')\n"
        "    click.get_current_context().exit(int(what))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMMANDS, "told", LazyCommand("told_command", "told", "Does as told."))
    return "told"


def test_a_command_chooses_its_exit_code(command: str) -> None:
    assert run([command, "0"]) == 0
    assert run([command, "1"]) == 1


def test_ctrl_c_is_exit_code_130(command: str) -> None:
    assert run([command, "interrupt"]) == 130


def test_a_defect_is_one_line_and_exit_code_70(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "defect"]) == 70

    line = capfd.readouterr().err
    assert line.startswith("error: unexpected ValueError (")
    assert line.count("\n") == 1


def test_debug_shows_the_traceback_of_a_defect(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["--debug", command, "defect"]) == 70

    assert "ValueError: words of a defect" in capfd.readouterr().err


def test_flags_offer_what_the_settings_know() -> None:
    assert tuple(LogLevel) == LOG_LEVELS
    assert tuple(LogFormat) == LOG_FORMATS


def test_exit_codes_are_documented() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"
    documented = {
        int(line.split("|")[1])
        for line in page.read_text().partition("## Exit codes")[2].splitlines()
        if line.startswith("| ") and line.split("|")[1].strip().isdecimal()
    }

    assert documented == set(ExitCode)
    assert os.EX_SOFTWARE == ExitCode.INTERNAL
