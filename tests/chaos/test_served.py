"""What was served is understood as the contract says, without the program's decoder."""

import pytest

from tests.chaos.served import Answer, read_answer, read_listing


def test_a_list_is_read_as_it_stands() -> None:
    body = b"""{"devices": [
      {"nodeId": "n1", "addresses": ["100.64.0.1"], "name": "a.company.ts.net"},
      {"nodeId": "n2", "addresses": "100.64.0.2"}, {"addresses": ["100.64.0.3"]}, null]}"""
    listing = read_listing(200, body)
    assert listing is not None
    assert list(listing.shown) == ["n1"]
    assert listing.unknown == {"n2"}
    assert listing.nameless == 2


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"<html>", b'{"devices": null}'])
def test_what_is_no_list_says_nothing(body: bytes) -> None:
    assert read_listing(200, body) is None


def test_only_a_refusal_in_the_words_of_the_api_says_that_a_machine_is_not_there() -> None:
    assert read_answer(404, b'{"message": "not found"}') == Answer(None)
    assert read_answer(404, b"<html>") is None
    assert read_answer(403, b'{"message": "no"}') is None


def test_who_answers_may_be_asked_for_by_the_older_identity() -> None:
    body = b'{"nodeId": "n1", "id": "7", "addresses": ["100.64.0.1"], "tags": ["tag:a"]}'
    answer = read_answer(200, body)
    assert answer is not None
    assert answer.node == "n1"
