from typing import Any

import pytest
from pydantic import ValidationError

from tagselectors import Operator, TagSelector

KEY_RULE = (
    "a key starts with a letter, holds letters, digits and dashes, and does not end in a dash"
    " (at most 253 characters)"
)
QUOTES = (
    'must be a string: write yes, no, on, off, null and numbers in quotes, as in "yes" or "8080"'
)


def _error(**fields: Any) -> tuple[tuple[int | str, ...], str]:
    with pytest.raises(ValidationError) as caught:
        TagSelector.model_validate(fields)
    (error,) = caught.value.errors()
    return error["loc"], error["msg"]


@pytest.mark.parametrize("key", ["", "1st", "env-", "e v", "e_v", "k" * 254])
def test_a_wrong_key_is_told_the_rule(key: str) -> None:
    assert _error(key=key, operator="Exists") == (("key",), KEY_RULE)


def test_a_key_with_the_tag_prefix_is_told_how_to_write_it() -> None:
    message = "a key is written without 'tag:', as in env for tag:env-production"
    assert _error(key="tag:env", operator="Exists") == (("key",), message)


def test_a_key_that_yaml_made_a_boolean_is_told_to_quote_it() -> None:
    assert _error(key=True, operator="Exists") == (("key",), QUOTES)


@pytest.mark.parametrize("operator", ["in", "IN", "Equals", "", None, 1, ["In"]])
def test_a_wrong_operator_is_told_the_four(operator: Any) -> None:
    message = "operator must be one of In, NotIn, Exists, DoesNotExist"
    assert _error(key="env", operator=operator) == (("operator",), message)


@pytest.mark.parametrize("operator", ["In", "NotIn"])
def test_in_and_not_in_need_values(operator: str) -> None:
    message = f"operator {operator} needs at least one value"
    assert _error(key="env", operator=operator) == ((), message)
    assert _error(key="env", operator=operator, values=[]) == ((), message)


@pytest.mark.parametrize("operator", ["Exists", "DoesNotExist"])
def test_exists_and_does_not_exist_take_no_values(operator: str) -> None:
    message = f"operator {operator} takes no values"
    assert _error(key="env", operator=operator, values=["x"]) == ((), message)


@pytest.mark.parametrize("value", [True, 8080, None, 1.5, ["x"]])
def test_a_value_that_is_no_string_is_told_to_quote_it(value: Any) -> None:
    assert _error(key="env", operator="In", values=["a", value]) == (("values", 1), QUOTES)


@pytest.mark.parametrize("value", ["a b", "a/b", "a:b", "a=b", "é", "v" * 254, "v\n"])
def test_a_wrong_value_is_told_the_rule(value: str) -> None:
    message = "a value holds letters, digits, dashes, dots and underscores (at most 253 characters)"
    assert _error(key="env", operator="In", values=[value]) == (("values", 0), message)


@pytest.mark.parametrize("values", ["production", None, {"a": 1}, 7])
def test_values_must_be_a_list(values: Any) -> None:
    message = "values must be a list, as in [production]"
    assert _error(key="env", operator="In", values=values) == (("values",), message)


def test_65_values_are_too_many() -> None:
    values = [f"v{number}" for number in range(65)]
    assert _error(key="env", operator="In", values=values) == (("values",), "at most 64 values")
    assert (
        TagSelector(key="env", operator=Operator.IN, values=tuple(values[:64])).values[63] == "v63"
    )


def test_an_unknown_field_is_refused() -> None:
    location, _ = _error(key="env", operator="Exists", value="x")
    assert location == ("value",)


def test_key_and_operator_are_required() -> None:
    with pytest.raises(ValidationError) as caught:
        TagSelector.model_validate({})
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [
        (("key",), "missing"),
        (("operator",), "missing"),
    ]


def test_a_requirement_can_not_be_changed() -> None:
    requirement = TagSelector(key="env", operator=Operator.EXISTS)
    with pytest.raises(ValidationError, match="frozen"):
        requirement.key = "other"  # type: ignore[misc]


def test_a_requirement_reads_what_it_writes() -> None:
    given = {"key": "env", "operator": "In", "values": ["", "a.b_c-d"]}
    dumped = TagSelector.model_validate(given).model_dump(mode="json")
    assert dumped == given


@pytest.mark.parametrize(
    ("operator", "values", "text"),
    [
        ("In", ["a"], "env=a"),
        ("In", ["a", "b"], "env in (a,b)"),
        ("In", [""], "env="),
        ("NotIn", ["a"], "env!=a"),
        ("NotIn", ["a", ""], "env notin (a,)"),
        ("Exists", [], "env"),
        ("DoesNotExist", [], "!env"),
    ],
)
def test_text_is_in_kubectl_syntax(operator: str, values: list[str], text: str) -> None:
    requirement = TagSelector.model_validate({"key": "env", "operator": operator, "values": values})
    assert str(requirement) == text
