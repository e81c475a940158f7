from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.documents import Document, Fault, read_documents


def values(text: str) -> list[Any]:
    read = list(read_documents(text))
    assert all(isinstance(each, Document) for each in read), read
    return [each.value for each in read if isinstance(each, Document)]


def fault(text: str) -> Fault:
    *_, last = read_documents(text)
    assert isinstance(last, Fault)
    return last


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: text", "text"),
        ("a: 'on'", "on"),
        ("a: on", True),
        ("a: False", False),
        ("a: ~", None),
        ("a:", None),
        ("a: 8080", 8080),
        ("a: -1", -1),
        ("a: 1_000", 1000),
        ("a: 0x1f", 31),
        ("a: 0b11", 3),
        ("a: 0644", 420),
        ("a: 0", 0),
        ("a: 1.5", 1.5),
        ("a: 2026-11-25", "2026-11-25"),
        ("a: 22:30", "22:30"),
        ("a: =", "="),
        ("a: [1, {b: c}]", [1, {"b": "c"}]),
        ("a: !!str 8080", "8080"),
        ("a: |\n  one\n  two\n", "one\ntwo\n"),
    ],
)
def test_a_value_is_what_kubectl_makes_of_it(text: str, value: Any) -> None:
    assert values(text) == [{"a": value}]


def test_json_is_read_too() -> None:
    assert values('{"a": 1,\n\t"b": ["x", null, "\\/"]}') == [{"a": 1, "b": ["x", None, "/"]}]


def test_empty_documents_are_counted_and_left_out() -> None:
    read = list(read_documents("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n"))
    assert [each.number for each in read] == [2, 4]


def test_merge_keys_are_written_out() -> None:
    text = "base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\ntwo:\n  <<: [{x: 9}, *b]\n"
    (value,) = values(text)
    assert (value["one"], value["two"]) == ({"x": 1, "y": 3}, {"x": 9, "y": 2})


def test_lines_of_paths() -> None:
    (document,) = read_documents("a:\n  b:\n  - c: 1\n  -\n    d: 2\n")
    assert isinstance(document, Document)
    assert document.line_of(()) == 1
    assert document.line_of(("a", "b", 0, "c")) == 3
    assert document.line_of(("a", "b", 1, "d")) == 5


def test_the_line_of_a_missing_field_is_that_of_its_parent() -> None:
    (document,) = read_documents("a:\n  b:\n  - c: 1\n")
    assert isinstance(document, Document)
    assert document.line_of(("a", "b", 0, "missing", "below")) == 3


def test_a_duplicate_key_is_refused_with_both_lines() -> None:
    assert fault("a:\n  b: 1\n  c: 2\n  b: 3\n") == Fault(
        1, 4, ("a", "b"), "stands twice in one mapping, first in line 2"
    )


def test_a_fault_spoils_its_own_document_alone() -> None:
    first, second = read_documents("a: 1\na: 2\n---\nb: 2\n")
    assert isinstance(first, Fault)
    assert second.number == 2
    assert isinstance(second, Document)
    assert second.value == {"b": 2}


@pytest.mark.parametrize(
    ("text", "number", "line", "message"),
    [
        (
            "a: 1\n---\nb:\n\tc: 1\n",
            2,
            4,
            (
                "is no YAML: while scanning for the next token: found character that cannot start "
                "any token (line 4, column 1)"
            ),
        ),
        ("a: *b", 1, 1, "is no YAML: found undefined alias (line 1, column 4)"),
        ("a: 1\n\nb: \x01", 1, 3, "is no YAML: control characters are not allowed"),
        ("a: '\ud800'", 1, None, "is no YAML: it holds characters that are no text"),
        (
            "a: !!binary aGk=",
            1,
            1,
            "has the tag tag:yaml.org,2002:binary, which no manifest can have",
        ),
        ("a: !secret x", 1, 1, "has the tag !secret, which no manifest can have"),
        ("!!set {a, b}", 1, 1, "has the tag tag:yaml.org,2002:set, which no manifest can have"),
        ("a: .inf", 1, 1, "is no number that JSON can have"),
        ("a: !!int x", 1, 1, "is no number that JSON can have"),
        (f"a: 0x{'f' * 5000}", 1, 1, "is no number that JSON can have"),
        ("? [a]\n: b", 1, 1, "has a key that is no text"),
        ("<<: 3", 1, 1, "has a merge key << without a mapping"),
        ("a: &a [*a]", 1, 1, "is nested more than 100 levels deep"),
        ("a: &a\n  <<: *a\n", 1, 1, "is nested more than 100 levels deep"),
    ],
)
def test_a_text_that_is_no_manifest(text: str, number: int, line: int | None, message: str) -> None:
    found = fault(text)
    assert (found.number, found.line, found.message) == (number, line, message)


def test_deep_nesting_is_a_fault() -> None:
    assert "exceeded maximum nesting depth" in fault("[" * 100_000).message


def test_aliases_can_not_make_a_short_text_huge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discovery.documents.MAX_VALUES", 1000)
    ten = "[*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]"
    text = "a: &a [0]\nb: &b {}\nc: &c {}\nd: {}\n".format(*(ten.format(x) for x in "abc"))
    assert fault(text).message == "holds more than 1000 values"


@given(st.text())
def test_no_text_raises(text: str) -> None:
    list(read_documents(text))


@given(st.text(alphabet="ab:-[]{},&*!<>?|'\"#% \n0.", max_size=60))
def test_no_text_of_yaml_signs_raises(text: str) -> None:
    list(read_documents(text))
