"""The pytest plugin that fails a run in which the program said a secret anywhere.

The main process of a run makes a folder for transcripts; its workers (pytest-xdist) write there
too. When all have ended, the main process searches the folder, and removes it.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.security import transcripts
from tests.security.hearing import hear, note_metrics, texts_of
from tests.security.known import KNOWN
from tests.security.transcripts import SHORTEST, Transcript, leaks, note, secret, too_short

_FOLDER = "transcripts"  # of what a worker is told by the main process


class SecretsPlugin:
    """Keeps the transcript of one process of a test run."""

    def __init__(self, config: pytest.Config) -> None:
        told: dict[str, Any] = getattr(config, "workerinput", {})
        self._is_main = _FOLDER not in told
        made = tempfile.mkdtemp(prefix="transcripts-") if self._is_main else told[_FOLDER]
        self._folder = Path(made)
        self._transcript = Transcript(self._folder, str(os.getpid()))
        self._patch = pytest.MonkeyPatch()
        self._complaints: list[str] = []
        transcripts.keep(self._transcript)
        hear(self._patch)
        for name, value in KNOWN.items():
            secret(name, value)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the transcripts of the run are."""
        node.workerinput[_FOLDER] = str(self._folder)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Let what is said from now on be of this test."""
        self._transcript.test = item.nodeid
        function = getattr(item, "function", None)
        self._transcript.learning = not getattr(function, "is_hypothesis_test", False)
        done = yield
        note_metrics()
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the error of a test, and what was written while it ran."""
        report = yield
        if call.excinfo is not None:
            for text in texts_of(call.excinfo.value):
                note("exceptions", text)
        for name, text in report.sections:
            if "log" not in name:
                note("output", text)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Search what all processes of the run have said; a leak fails the run."""
        self._transcript.flush()
        if self._is_main:
            self._complaints = [f"SECRET SAID: {leak}" for leak in leaks(self._folder)]
            self._complaints += [
                f"SECRET TOO SHORT to be searched for (at least {SHORTEST} characters): {name}"
                for name in too_short(self._folder)
            ]
        if self._complaints:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_unconfigure(self) -> None:
        """Hear nothing more, and leave nothing behind."""
        self._patch.undo()
        transcripts.forget(self._transcript)
        if self._is_main:
            shutil.rmtree(self._folder, ignore_errors=True)  # a worker may be ending yet

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name each secret that was said, and the test in which it was."""
        for complaint in self._complaints:
            terminalreporter.write_line(complaint, red=True, bold=True)
