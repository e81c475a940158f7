"""Tests that each let the program say a secret in one channel: what the plugin must find.

They are run in a pytest of their own (see test_plugin.py), never with the others.
"""

import asyncio
import contextlib
import json
import logging
import sys
import urllib.parse
from base64 import b64encode
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pydantic import SecretStr

from discovery.clients.errors import TransientError
from discovery.metrics import Metrics
from discovery.recorder.ring import Ring
from discovery.settings import ConfigError
from tests.cli.commands.conftest import Place, Process
from tests.security.transcripts import secret

LOGGER = logging.getLogger("discovery.planted")


def planted(what: str) -> str:
    """Make a secret as the program gets it."""
    return SecretStr(f"planted+in/{what}=and~searched").get_secret_value()


def test_a_message() -> None:
    LOGGER.debug("it is %s", planted("message"))


def test_a_field() -> None:
    LOGGER.info("it is there", extra={"where": ["x", planted("field")]})


def fail(error: Exception, cause: Exception | None = None) -> NoReturn:
    raise error from cause


def test_a_logged_error() -> None:
    try:
        fail(TypeError(), ValueError(planted("logged-error")))
    except TypeError:
        LOGGER.exception("pass failed")


def test_an_expected_error() -> None:
    with pytest.raises(KeyError):
        raise KeyError(planted("expected-error"))


def test_an_error_of_the_configuration() -> None:
    ConfigError(planted("configuration"))


def test_an_error_of_a_client() -> None:
    TransientError("nothing", where="GET /", request_id=planted("client"))


def test_an_error_that_fails_a_test() -> None:
    raise ValueError(planted("failing"))


def test_a_group_of_errors() -> None:
    with pytest.raises(ExceptionGroup):
        raise ExceptionGroup("two", [ValueError("a"), ValueError(planted("group"))])


def test_what_is_printed() -> None:
    sys.stdout.write(planted("stdout"))


def test_what_a_test_reads(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stderr.write(planted("stderr"))
    assert capsys.readouterr().err


def test_a_metric() -> None:
    Metrics().wrote(planted("metric"), "create")


async def test_a_program_of_its_own() -> None:
    code = f"import sys; sys.stderr.write({planted('process')!r} + chr(10)); sys.stdin.read()"
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=pipe, stdout=pipe, stderr=pipe
    )
    process = Process(started)
    await process.says("planted")
    await process.stop()


def test_a_program_that_is_run(run: Any) -> None:
    with contextlib.suppress(AssertionError):
        assert run(planted("argument")).returncode == 0


def test_a_file(place: Place) -> None:
    place.out.mkdir()
    (place.out / "status.yaml").write_text(planted("file"))


def test_a_recording(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.open()
    ring.append(planted("ring").encode())
    ring.close()


def test_a_form_of_it() -> None:
    value = "{}+planted/in=and~searched".format
    quoted = 'planted with "quotes" and \\ in it'
    LOGGER.info("%s", urllib.parse.quote_plus(secret("one in a URL", value("url"))))
    for shift in range(3):
        one = secret(f"one in base64 after {shift}", value(f"header-{shift}"))
        LOGGER.info("%s", b64encode(b"x" * shift + one.encode() + b":").decode())
    LOGGER.info("%s", json.dumps(secret("one in JSON", quoted)))
    LOGGER.info("%s", secret("one cut in two", value("half-of-it"))[:20])


def test_a_secret_that_is_too_short() -> None:
    SecretStr("short")


def test_nothing_is_said(tmp_path: Path) -> None:
    LOGGER.info("read", extra={"path": str(tmp_path)})
    planted("nothing")
