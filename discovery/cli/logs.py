"""Log lines on stderr: for people, or one JSON object per line.

A message is a constant; what varies is passed as ``extra`` and printed as fields.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "color_message",  # uvicorn's second copy of its message
    "message",
    "taskName",  # since Python 3.12
}
_CHATTY: Final = ("apscheduler", "asyncio", "httpcore", "httpx", "uvicorn")


def configure(level: str, form: str) -> None:
    """Send every log line to stderr.

    ``level`` is the name of the least severe level, in lower case; ``form`` is console or json.
    Libraries that log each request or run are heard from warnings on only.
    """
    line = logging.StreamHandler(sys.stderr)
    line.setFormatter(JSONFormatter() if form == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [line]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


class JSONFormatter(logging.Formatter):
    """One JSON object per line: time (RFC 3339, UTC), level, logger, message, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # A field never replaces one of these four.
        line |= {name: value for name, value in _fields(record).items() if name not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """``TIME LEVEL message key=value``, for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, and its traceback where it has one."""
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname:<7} {_quoted(record.getMessage(), ' ')}{fields}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    return {k: v for k, v in sorted(vars(record).items()) if k not in _OWN_ATTRIBUTES}


def _quoted(value: object, harmless: str = "") -> str:
    """Return a value as one word, quoted where it holds blanks, quotes or control characters."""
    text = str(value)
    plain = text.isprintable() and not set(text) & (set(' "=') - set(harmless))
    return text if plain and text else json.dumps(text)
