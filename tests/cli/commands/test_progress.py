"""Seen as a person sees it: the program on a terminal of its own."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

INVENTORY = Path(__file__).parents[3] / "fixtures" / "tailnet" / "devices.json"
SIGN = "Reading the devices of company.ts.net"


def stderr_on_a_terminal(*arguments: str, **environment: str) -> str:
    """Run a command whose stderr is a terminal, and return what the terminal got."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "discovery", *arguments, "--inventory", str(INVENTORY)]
    plain = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=plain | {"TERM": "xterm"} | environment,
    ):
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux's way to say that the other side of a terminal is closed
            pass
    os.close(ours)
    return shown.decode()


def test_a_terminal_shows_what_is_being_waited_for() -> None:
    assert SIGN in stderr_on_a_terminal("devices")


@pytest.mark.parametrize("arguments", [("devices", "-o", "json"), ("devices", "-o", "yaml")])
def test_no_sign_beside_a_form_that_scripts_read(arguments: tuple[str, ...]) -> None:
    assert SIGN not in stderr_on_a_terminal(*arguments)


def test_no_sign_with_no_color() -> None:
    assert SIGN not in stderr_on_a_terminal("devices", NO_COLOR="1")
