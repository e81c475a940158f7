import pytest

from tests.docs.comparison import says


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ((), ""),
        (("api  2m",), "api 13s\n"),
        (("since 2026-11-25T12:00:00Z.",), "since 2027-01-02T03:04:05.678901Z.\n"),
        (("refused (…).",), "refused (POST /oauth/token).\n"),
        (("first", "…", "last"), "first\nlast\n"),
        (("first", "…", "last"), "first\nin between\nmore\nlast\n"),
    ],
)
def test_what_differs_from_run_to_run_fits(expected: tuple[str, ...], printed: str) -> None:
    assert says(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ((), "a warning\n"),
        (("api 2",), "api 3\n"),
        (("api",), "api\nweb\n"),
        (("…", "last"), "last\nmore\n"),
        (("a.c",), "abc\n"),
    ],
)
def test_anything_else_does_not(expected: tuple[str, ...], printed: str) -> None:
    assert not says(expected, printed)
