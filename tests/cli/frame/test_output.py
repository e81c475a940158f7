import json

import pytest
import yaml

from discovery.cli.output import Table, as_json, as_markdown, as_text, as_yaml, emit

TABLE = Table(("NAME", "TAGS"), [("web-1", "tag:env-production"), ("b", "")])


def test_text_is_aligned_in_columns_without_trailing_blanks() -> None:
    assert as_text(TABLE) == ("NAME    TAGS\nweb-1   tag:env-production\nb\n")


def test_a_table_without_rows_is_its_header() -> None:
    assert as_text(Table(("NAME", "TAGS"), [])) == "NAME   TAGS\n"


def test_text_is_never_cut() -> None:
    assert "x" * 500 in as_text(Table(("NAME",), [("x" * 500,)]))


def test_control_characters_of_a_stranger_are_escaped() -> None:
    table = Table(("NAME",), [("a\x1b[31mb\x9bc\nd",)])

    assert as_text(table) == "NAME\na\\x1b[31mb\\x9bc\\nd\n"
    assert "\x1b" not in as_json({"name": "a\x1b"}) + as_yaml({"name": "a\x1b"})


def test_markdown_escapes_what_would_be_markup() -> None:
    assert as_markdown(Table(("A", "B"), [("x|y", "*z* <b>")])) == (
        "| A | B |\n| --- | --- |\n| x\\|y | \\*z\\* \\<b\\> |\n"
    )


def test_json_is_sorted_and_indented() -> None:
    assert as_json({"b": [1], "a": "é"}) == '{\n  "a": "\\u00e9",\n  "b": [\n    1\n  ]\n}\n'


def test_yaml_is_sorted_block_style_without_aliases() -> None:
    shared = {"x": 1}

    assert as_yaml({"b": shared, "a": shared}) == "a:\n  x: 1\nb:\n  x: 1\n"


def test_several_yaml_documents_are_separated() -> None:
    assert as_yaml({"a": 1}, {"b": 2}) == "---\na: 1\n---\nb: 2\n"


def test_long_yaml_text_stays_on_its_line() -> None:
    assert as_yaml({"a": "word " * 60 + "end"}).count("\n") == 1


@pytest.mark.parametrize("text", ["1e3", "12e45678", "0o17", "1.", "yes", "null", "12", "~"])
def test_yaml_quotes_text_that_kubernetes_would_read_as_something_else(text: str) -> None:
    assert as_yaml({"a": text}) == f"a: '{text}'\n"
    assert yaml.safe_load(as_yaml({"a": text})) == {"a": text}


@pytest.mark.parametrize("number", [0, -1, 1.5, 1e30, True, None])
def test_yaml_keeps_numbers_as_numbers(number: object) -> None:
    assert yaml.safe_load(as_yaml({"a": number})) == {"a": number}


@pytest.mark.parametrize(
    ("form", "begin"),
    [
        ("table", "NAME "),
        ("wide", "NAME "),
        ("json", "{"),
        ("yaml", "a: 1"),
        ("markdown", "| NAME"),
    ],
)
def test_emit_writes_the_form_that_was_asked_for(
    form: str, begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    emit(form, TABLE, {"a": 1})

    written = capsys.readouterr()
    assert written.out.startswith(begin)
    assert written.err == ""
    if form == "json":
        assert json.loads(written.out) == {"a": 1}
