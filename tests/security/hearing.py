"""Hears what the program says in this process, and learns each credential that it uses.

Nothing changes for the program or the tests: a debug line that nobody asked for reaches no handler.
"""

import base64
import binascii
import contextlib
import io
import logging
import traceback
from collections.abc import Iterator
from typing import Any, Final

import pydantic
import pytest

from discovery.clients.errors import APIError
from discovery.clients.exchange import Exchange
from discovery.clients.kube.transport import Transport
from discovery.metrics import Metrics
from discovery.recorder.ring import Ring
from discovery.settings import ConfigError
from tests.security.transcripts import note, secret

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# The program hears these from warnings on only, whatever its log level is.
_CHATTY: Final = ("apscheduler", "asyncio", "httpcore", "httpx", "uvicorn")

_metrics: list[Metrics] = []


def hear(patch: pytest.MonkeyPatch) -> None:
    """Hear everything in this process until the patch is undone."""
    _hear_logs(patch)
    _hear_errors(patch)
    _hear_output(patch)
    _hear_metrics(patch)
    _hear_recordings(patch)
    _learn_secrets(patch)


def texts_of(error: BaseException) -> Iterator[str]:
    """Yield every text of an error and of what led to it."""
    seen: set[int] = set()
    chain = [error]
    while chain:
        one = chain.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield f"{one}\n{one!r}\n{one.args!r}"
        if isinstance(one, APIError):
            yield repr(vars(one))
        if isinstance(one, BaseExceptionGroup):
            chain += one.exceptions
        chain += [cause for cause in (one.__cause__, one.__context__) if cause is not None]


def note_metrics() -> None:
    """Note what every Metrics object of the test says at its end, and let go of them."""
    for metrics in _metrics:
        note("metrics", metrics.text().decode())
    _metrics.clear()


def _hear_logs(patch: pytest.MonkeyPatch) -> None:
    handle, is_enabled = logging.Logger.handle, logging.Logger.isEnabledFor

    def heard(self: logging.Logger, record: logging.LogRecord) -> None:
        note("log lines", _line(record))
        if is_enabled(self, record.levelno):
            handle(self, record)

    def wanted(self: logging.Logger, level: int) -> bool:
        if is_enabled(self, level):
            return True
        # A test that silences the program altogether makes it say thousands of lines.
        is_silent = self.getEffectiveLevel() >= logging.CRITICAL
        return not is_silent and not self.name.startswith(_CHATTY)

    patch.setattr(logging.Logger, "handle", heard)
    patch.setattr(logging.Logger, "isEnabledFor", wanted)


def _line(record: logging.LogRecord) -> str:
    fields = [f"{name}={value}" for name, value in vars(record).items() if name not in _OWN]
    line = " ".join([record.name, record.getMessage(), *fields])
    if not record.exc_info or record.exc_info[1] is None:
        return line
    error = record.exc_info[1]
    with contextlib.closing(io.StringIO()) as written:
        traceback.print_exception(error, file=written)
        return "\n".join([line, written.getvalue(), *texts_of(error)])


def _hear_errors(patch: pytest.MonkeyPatch) -> None:
    """Hear every error of a client or of the configuration, and whatever a test expects."""
    for kind in (APIError, ConfigError):
        _after(patch, kind, "__init__", lambda self, *_, **__: _note_error(self))
    _after(
        patch, pytest.ExceptionInfo, "fill_unfilled", lambda _, exc_info: _note_error(exc_info[1])
    )


def _note_error(error: BaseException) -> None:
    for text in texts_of(error):
        note("exceptions", text)


def _hear_output(patch: pytest.MonkeyPatch) -> None:
    read = pytest.CaptureFixture.readouterr

    def heard(self: Any) -> Any:
        captured = read(self)
        for text in captured:
            note("output", text if isinstance(text, str) else text.decode(errors="replace"))
        return captured

    patch.setattr(pytest.CaptureFixture, "readouterr", heard)


def _hear_metrics(patch: pytest.MonkeyPatch) -> None:
    text = Metrics.text

    def heard(self: Metrics) -> bytes:
        said = text(self)
        note("metrics", said.decode())
        return said

    patch.setattr(Metrics, "text", heard)
    _after(patch, Metrics, "__init__", lambda self, *_, **__: _metrics.append(self))


def _hear_recordings(patch: pytest.MonkeyPatch) -> None:
    """Hear what a support bundle will hold."""
    _before(
        patch,
        Ring,
        "append",
        lambda _, line, **__: note("recordings", line.decode(errors="replace")),
    )


def _learn_secrets(patch: pytest.MonkeyPatch) -> None:
    """Learn each value that the program keeps as a secret, or sends as a credential."""
    _before(patch, pydantic.SecretStr, "__init__", lambda _, value: secret("a credential", value))
    _before(patch, Exchange, "get", lambda _, __, header: _learn_header(header))
    _before(patch, Exchange, "post_form", lambda _, __, form: _learn_form(form))
    _before(patch, Transport, "_request", lambda _, __, header: _learn_header(header))


def _learn_header(header: str | None) -> None:
    scheme, _, value = (header or "").partition(" ")
    secret(f"a {scheme} credential", value.strip())
    if scheme == "Basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            for part in base64.b64decode(value).decode().split(":"):
                secret("half of a Basic credential", part)


def _learn_form(form: dict[str, str]) -> None:
    for name in ("client_secret", "jwt"):
        secret(f"the {name} of a request", form.get(name, ""))


def _before(patch: pytest.MonkeyPatch, owner: Any, name: str, also: Any) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        also(*args, **kwargs)
        return original(*args, **kwargs)

    patch.setattr(owner, name, wrapped)


def _after(patch: pytest.MonkeyPatch, owner: Any, name: str, also: Any) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        done = original(*args, **kwargs)
        also(*args, **kwargs)
        return done

    patch.setattr(owner, name, wrapped)
