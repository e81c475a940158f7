import json
import logging
from collections.abc import Iterator

import pytest

from discovery.cli import logs


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for name in ("apscheduler", "asyncio", "httpcore", "httpx", "uvicorn"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_json_is_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")

    logging.getLogger("discovery.manager").info(
        "slices applied", extra={"updated": 2, "key": "a/b"}
    )

    written = capsys.readouterr()
    line = json.loads(written.err)
    assert written.out == ""
    assert list(line) == ["time", "level", "logger", "message", "key", "updated"]
    assert (line["level"], line["logger"], line["message"], line["key"], line["updated"]) == (
        "info",
        "discovery.manager",
        "slices applied",
        "a/b",
        2,
    )


def test_time_is_rfc_3339_in_utc() -> None:
    record = logging.makeLogRecord({"created": 1_764_066_645.5, "levelname": "INFO", "msg": "x"})

    assert json.loads(logs.JSONFormatter().format(record))["time"] == "2025-11-25T10:30:45.500Z"


def test_console_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "console")

    logging.getLogger("x").warning("list refused", extra={"tailnet": "a.ts.net", "why": "a b"})

    assert capsys.readouterr().err.partition(" ")[2] == (
        'WARNING list refused tailnet=a.ts.net why="a b"\n'
    )


def test_a_line_break_in_a_value_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "console")

    logging.getLogger("x").warning("odd\nname", extra={"name_seen": "a\nb\x1b"})

    assert capsys.readouterr().err.partition(" ")[2] == (
        'WARNING "odd\\nname" name_seen="a\\nb\\u001b"\n'
    )


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_is_part_of_the_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", form)

    try:
        int("x")
    except ValueError:
        logging.getLogger("x").exception("pass failed")

    assert "ValueError: invalid literal" in capsys.readouterr().err


def test_messages_below_the_level_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "json")

    logging.getLogger("x").info("quiet")

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["httpx", "apscheduler.scheduler", "uvicorn.error"])
def test_libraries_are_heard_from_warnings_on(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", "json")

    logging.getLogger(name).info("GET /")
    assert capsys.readouterr().err == ""

    logging.getLogger(name).warning("slow")
    assert "slow" in capsys.readouterr().err


def test_configuring_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logs.configure("info", "json")

    logging.getLogger("x").info("once")

    assert capsys.readouterr().err.count("\n") == 1


def test_a_field_never_replaces_time_level_or_logger(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")

    logging.getLogger("x").warning("odd", extra={"level": "none", "logger": "y"})

    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["logger"]) == ("warning", "x")
