from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.durations import DURATION_FORM, format_duration, parse_duration
from tests.api.texts import NO_DURATIONS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m", 60),
        ("1m30s", 90),
        ("1h", 3600),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("1s500ms", 1.5),
        ("0s", 0),
        ("90s", 90),
        ("30s1m", 90),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as") as refused:
        parse_duration(text)
    assert str(refused.value) == DURATION_FORM


def test_a_duration_beyond_every_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 100 years"):
        parse_duration("9999999999h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (30, "30s"),
        (90, "1m30s"),
        (60, "1m"),
        (3600, "1h"),
        (3661, "1h1m1s"),
        (1.5, "1.5s"),
        (0, "0s"),
    ],
)
def test_a_duration_is_written_in_one_spelling(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)))
def test_what_is_written_is_read_as_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
