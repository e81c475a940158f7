import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from discovery import __version__

Run = Callable[..., subprocess.CompletedProcess[str]]

SLOW = (
    "pydantic",
    "httpx",
    "kubernetes",
    "apscheduler",
    "starlette",
    "rich",
    "yaml",
    "msgspec",
    "importlib.metadata",
)


def test_version_is_one_line(run: Run) -> None:
    done = run("--version")

    assert (done.returncode, done.stdout) == (0, f"tailnet-discovery {__version__}\n")


def test_help_names_every_command_and_an_example(run: Run) -> None:
    done = run("--help")

    assert done.returncode == 0
    assert "  devices         List the tailnet's devices" in done.stdout
    assert "tailnet-discovery devices -l env=production" in done.stdout


def test_no_arguments_show_the_help_and_are_wrong_usage(run: Run) -> None:
    done = run()

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: tailnet-discovery")


@pytest.mark.parametrize("command", ["plan", "sync", "doctor"])
def test_help_has_a_line_for_each_exit_code(run: Run, command: str) -> None:
    text = run(command, "--help").stdout
    assert len(re.findall(r"^    \d  ", text, re.MULTILINE)) >= 3
    assert "\\b" not in text


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_that_is_slow(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from discovery.__main__ import run\n"
        f"code = run({arguments!r})\n"
        f"slow = [m for m in {SLOW!r} if m in sys.modules]\n"
        "slow += [m for m in sys.modules if m.startswith('discovery.settings')]\n"
        "print(code, slow, file=sys.stderr)\n"
    )

    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
        capture_output=True,
        check=True,
    )

    assert done.stderr == "0 []\n"


@pytest.mark.parametrize("command", ["config", "completion"])
def test_help_of_a_command_shows_an_example(run: Run, command: str) -> None:
    done = run(command, "-h")

    assert done.returncode == 0
    assert f"\n    tailnet-discovery {command}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["confg"],
            (
                "error: No such command 'confg'. Did you mean config? "
                "Try 'tailnet-discovery --help'.\n"
            ),
        ),
        (
            ["config", "--zzz"],
            "error: No such option '--zzz'. Try 'tailnet-discovery config --help'.\n",
        ),
        (
            ["completion"],
            (
                "error: Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish "
                "Try 'tailnet-discovery completion --help'.\n"
            ),
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Run, arguments: list[str], line: str) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


def test_a_wrong_configuration_is_exit_code_3_and_a_line_per_problem(run: Run) -> None:
    done = run("config", TAILNET_DISCOVERY_INSTANCE="Blue", TAILNET_DISCOVERY_LOGGING_LEVEL="loud")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        'error: instance: "Blue" is no name (TAILNET_DISCOVERY_INSTANCE). '
        "Use lower-case letters, digits and dashes, at most 63.\n"
        'error: logging.level: "loud" is unknown (TAILNET_DISCOVERY_LOGGING_LEVEL). '
        "Use debug, info, warning or error.\n"
    )


def test_debug_adds_the_traceback(run: Run) -> None:
    done = run("--debug", "--config", "missing.yaml", "config")

    assert done.returncode == 3
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.splitlines()[-1].startswith("error: the configuration file can not be read")


def test_an_unknown_variable_is_a_warning_on_stderr(run: Run) -> None:
    done = run("config", TAILNET_DISCOVERY_INSTANC="x")

    assert done.returncode == 0
    assert done.stderr == (
        "warning: unknown variable, which is ignored (TAILNET_DISCOVERY_INSTANC). "
        "Did you mean TAILNET_DISCOVERY_INSTANCE?\n"
    )


def test_config_prints_plain_aligned_columns_where_stdout_is_no_terminal(run: Run) -> None:
    done = run("--log-level", "error", "config", TS_API_KEY="hunter2", COLUMNS="20")

    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "KEY                                     VALUE                       ORIGIN",
        "instance                                default                     default",
        "mode                                    Enforce                     default",
        "logging.level                           error                       --log-level",
    ]
    assert "tailnets[0].credentials.apiKey          **********                  TS_API_KEY" in lines


def test_config_prints_the_same_as_json_and_yaml(run: Run) -> None:
    as_json = run("config", "-o", "json", TAILNET_DISCOVERY_MODE="Observe")
    as_yaml = run("config", "-o", "yaml", TAILNET_DISCOVERY_MODE="Observe")

    assert json.loads(as_json.stdout) == yaml.safe_load(as_yaml.stdout)
    assert {"key": "mode", "value": "Observe", "origin": "TAILNET_DISCOVERY_MODE"} in json.loads(
        as_json.stdout
    )


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_config_shows_no_secret(run: Run, output: str) -> None:
    done = run("config", "-o", output, TS_API_CLIENT_ID="kid", TS_API_CLIENT_SECRET="hunter2")

    assert "kid" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_a_refused_configuration_shows_no_secret(run: Run) -> None:
    done = run("--debug", "config", TS_API_CLIENT_SECRET="hunter2", TAILNET_DISCOVERY_INSTANCE="B")

    assert done.returncode == 3
    assert "hunter2" not in done.stdout + done.stderr


def on_a_terminal(*arguments: str, **environ: str) -> str:
    """Run the program with a terminal as its stdout and return what it showed there."""
    reader, terminal = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "discovery", *arguments],
        stdout=terminal,
        stderr=subprocess.PIPE,
        env={
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            **environ,
        },
    )
    os.close(terminal)
    shown = b""
    while chunk := _read(reader):
        shown += chunk
    os.close(reader)
    process.communicate(timeout=30)
    return shown.decode()


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except OSError:  # what Linux answers once nobody holds the terminal
        return b""


def test_a_table_has_a_bold_header_on_a_terminal() -> None:
    assert "\x1b[1mKEY" in on_a_terminal("config")


def test_no_color_is_honoured_on_a_terminal() -> None:
    assert "\x1b" not in on_a_terminal("config", NO_COLOR="1")


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_json_and_yaml_are_never_coloured(output: str) -> None:
    assert "\x1b" not in on_a_terminal("config", "-o", output)


def test_nobody_reading_is_quiet_and_exit_code_141() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "discovery", "config"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
        timeout=30,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (141, b"")
