import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

BASH = shutil.which("bash") or "/bin/bash"
# What bash does when the tab key is pressed: it fills COMP_WORDS and calls the function that
# `complete` has registered for the command.
PRESS_TAB = """
set -u
source <(tailnet-discovery completion bash)
COMP_WORDS=({words} "{incomplete}")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
spec=$(complete -p tailnet-discovery)
function=${{spec##*-F }}
${{function%% *}} tailnet-discovery
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def press_tab(tmp_path: Path) -> Callable[[str], list[str]]:
    program = tmp_path / "tailnet-discovery"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m discovery "$@"\n')
    program.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }

    def press(line: str) -> list[str]:
        *words, incomplete = line.split(" ")
        done = subprocess.run(  # noqa: S603 - the words are the tests' own
            [
                BASH,
                "--norc",
                "-c",
                PRESS_TAB.format(words=" ".join(words), incomplete=incomplete),
            ],
            env=environ,
            text=True,
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return press


def test_bash_completes_a_command(press_tab: Callable[[str], list[str]]) -> None:
    assert press_tab("tailnet-discovery co") == ["config", "completion"]


def test_bash_completes_an_option(press_tab: Callable[[str], list[str]]) -> None:
    assert press_tab("tailnet-discovery --log-") == ["--log-level", "--log-format"]


def test_bash_completes_a_choice_of_a_command(press_tab: Callable[[str], list[str]]) -> None:
    assert press_tab("tailnet-discovery config -o ") == ["table", "json", "yaml"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_of_their_own(run: Run, shell: str) -> None:
    done = run("completion", shell)

    assert done.returncode == 0
    assert f"_TAILNET_DISCOVERY_COMPLETE={shell}_complete" in done.stdout
    if interpreter := shutil.which(shell):
        subprocess.run(  # noqa: S603 - the shell of this machine
            [interpreter, "-n"], input=done.stdout, text=True, check=True
        )


def test_completion_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "discovery"],
        cwd=tmp_path,
        env={
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "_TAILNET_DISCOVERY_COMPLETE": "bash_complete",
            "COMP_WORDS": "tailnet-discovery pl",
            "COMP_CWORD": "1",
        },
        text=True,
        capture_output=True,
        check=False,
    )

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.stdout == "plain,plan\n"
    assert "click" in imported
    assert not imported & {"pydantic", "httpx", "kubernetes", "apscheduler", "rich", "yaml"}
