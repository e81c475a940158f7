"""Inputs that once got an exception out of the program, or hung it, and what is said about each."""

import time
from pathlib import Path

import pytest

from discovery.clients.devices import decode_devices
from discovery.clients.errors import MalformedAnswerError, excerpt
from discovery.settings import ConfigError, load

TOO_LONG = "1" + ":0" * 20_000  # a number in base 60: to read it took minutes for a full file


def problem_of(path: Path, content: str) -> str:
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    return str(caught.value).replace(str(path), "td.yaml")


@pytest.mark.parametrize("escape", ["\\U00110000", "\\UFFFFFFFF"])
def test_an_escape_beyond_unicode_is_a_config_error(tmp_path: Path, escape: str) -> None:
    assert problem_of(tmp_path / "td.yaml", f'instance: "{escape}"') == (
        "the file is no usable YAML: it holds a number that YAML does not allow (td.yaml). "
        "Correct that line."
    )


def test_a_yaml_version_of_any_length_is_a_config_error(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "td.yaml", f"%YAML {'9' * 5000}.1\n---\ninstance: a") == (
        "the file is no usable YAML: it holds a number that YAML does not allow (td.yaml). "
        "Correct that line."
    )


@pytest.mark.parametrize("tagged", ['!!int ""', '!!float ""', '!!int "-"', "!!int _"])
def test_a_number_without_a_digit_is_text(tmp_path: Path, tagged: str) -> None:
    text = tagged.partition(" ")[2].strip('"')
    assert problem_of(tmp_path / "td.yaml", f"instance: {tagged}").startswith(
        f'instance: "{text}" is no name (td.yaml:1). '
    )


def test_a_truth_that_is_none_is_text(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "td.yaml", "mode: !!bool x").startswith(
        'mode: "x" is unknown (td.yaml:1). '
    )


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "0b" + "1" * 20_000, TOO_LONG])
def test_a_number_that_python_can_not_write_is_no_number(tmp_path: Path, number: str) -> None:
    content = f"tailnets: [{{name: a.ts.net, removal: {{confirmations: {number}}}}}]"
    assert problem_of(tmp_path / "td.yaml", content) == (
        "tailnets[0].removal.confirmations is no number (td.yaml:1). Write a whole number."
    )


@pytest.mark.parametrize("key", ["\\ud800", "a\\nb", "\\e[2J"])
def test_a_key_that_no_message_can_show_is_no_text(tmp_path: Path, key: str) -> None:
    assert problem_of(tmp_path / "td.yaml", f'"{key}": 1') == (
        "a key of the file is no text (td.yaml:1). Put it in quotes."
    )


@pytest.mark.parametrize("times", [16_000, 4_000_000])
def test_a_text_of_many_beginnings_of_a_token_takes_no_time(times: int) -> None:
    """At 64 KB it took seconds, in which no Lease is renewed."""
    began = time.process_time()
    with pytest.raises(MalformedAnswerError, match=r"it has eyJ-"):
        decode_devices(b'{"' + b"eyJ-" * times + b'":1}', where="")
    assert time.process_time() - began < 1


def test_a_token_is_not_shown_whatever_stands_around_it() -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    for text in (token, f"jwt-{token}", f"a.{token},", "eyJ-" * 9 + token, f"x={token};"):
        assert token[:8] not in excerpt(text), text


def test_of_a_long_text_no_half_of_a_secret_is_shown() -> None:
    assert excerpt(" " * 65_530 + "0penSesame-of-any-form", ["0penSesame-of-any-form"]) == "…"
