"""A stream cut into lines."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.clients.errors import MalformedAnswerError
from discovery.clients.kube.decoding import Lines


@given(st.lists(st.text(alphabet='ab"\\ é', max_size=9)), st.lists(st.integers(0, 40)))
def test_lines_are_the_same_wherever_the_chunks_end(texts: list[str], cuts: list[int]) -> None:
    stream = "".join(f"{text}\n" for text in texts).encode() + b"unfinished"
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    lines = Lines()

    chunks = [stream[begin:end] for begin, end in pairwise(places)]
    cut = [line for chunk in chunks for line in lines.feed(chunk, where="GET /")]

    assert cut == [text.encode() for text in texts if text.strip()]


def test_a_line_without_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discovery.clients.kube.decoding.LINE_LIMIT", 10)
    lines = Lines()

    assert list(lines.feed(b"0123456789", where="GET /")) == []
    with pytest.raises(MalformedAnswerError, match="a line longer than 10 bytes"):
        list(lines.feed(b"0", where="GET /"))
