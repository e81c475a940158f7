import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagselectors import Operator, Selector, SelectorSyntaxError, TagSelector, parse_selector

KEYS = st.from_regex(r"[A-Za-z]([A-Za-z0-9-]{0,4}[A-Za-z0-9])?", fullmatch=True) | st.sampled_from(
    ["in", "notin", "env", "service-type"]
)
VALUES = st.lists(
    st.from_regex(r"[A-Za-z0-9._-]{0,5}", fullmatch=True) | st.sampled_from(["in", "notin", ""]),
    min_size=1,
    max_size=4,
)
REQUIREMENTS = st.one_of(
    st.builds(
        TagSelector,
        key=KEYS,
        operator=st.sampled_from([Operator.IN, Operator.NOT_IN]),
        values=VALUES.map(tuple),
    ),
    st.builds(
        TagSelector,
        key=KEYS,
        operator=st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST]),
    ),
)


def _one(text: str) -> tuple[str, str, tuple[str, ...]]:
    (requirement,) = parse_selector(text).requirements
    return requirement.key, requirement.operator.value, requirement.values


@pytest.mark.parametrize(
    ("text", "operator", "values"),
    [
        ("env=production", "In", ("production",)),
        ("env==production", "In", ("production",)),
        ("env = production", "In", ("production",)),
        ("  env==production ", "In", ("production",)),
        ("env!=dev", "NotIn", ("dev",)),
        ("env in (web,api)", "In", ("web", "api")),
        ("env in(web , api)", "In", ("web", "api")),
        ("env\tnotin\n( dev )", "NotIn", ("dev",)),
        ("env", "Exists", ()),
        ("!env", "DoesNotExist", ()),
        ("! env", "DoesNotExist", ()),
        ("env=", "In", ("",)),
        ("env!=", "NotIn", ("",)),
        ("env in ()", "In", ("",)),
        ("env in (,)", "In", ("", "")),
        ("env in (a,)", "In", ("a", "")),
        ("env in (in,notin)", "In", ("in", "notin")),
        ("env=in", "In", ("in",)),
    ],
)
def test_one_requirement_is_read(text: str, operator: str, values: tuple[str, ...]) -> None:
    assert _one(text) == ("env", operator, values)


@pytest.mark.parametrize(("text", "key"), [("in in (a)", "in"), ("notin in (a)", "notin")])
def test_operators_may_be_keys(text: str, key: str) -> None:
    assert _one(text) == (key, "In", ("a",))


def test_commas_join_requirements_in_order() -> None:
    selector = parse_selector("env=production,tier in (web,api),gpu,!canary,zone!=a")
    assert [str(each) for each in selector.requirements] == [
        "env=production",
        "tier in (web,api)",
        "gpu",
        "!canary",
        "zone!=a",
    ]


def test_an_empty_value_may_stand_before_a_comma() -> None:
    assert str(parse_selector("gpu=,env=a")) == "gpu=,env=a"


OR_OPERATOR = "'=', '==', '!=', 'in', 'notin' or ','"


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("", 0, "expected a key, as in env, but found the end"),
        ("  ", 2, "expected a key, as in env, but found the end"),
        ("env=a,", 6, "expected a key, as in env, but found the end"),
        (",env", 0, "expected a key, as in env, but found ','"),
        ("=a", 0, "expected a key, as in env, but found '='"),
        ("!", 1, "expected a key, as in env, but found the end"),
        ("!!env", 1, "expected a key, as in env, but found '!'"),
        ("env web", 4, f"expected {OR_OPERATOR}, but found 'web'"),
        ("env > 5", 4, f"expected {OR_OPERATOR}, but found '>'"),
        ("env=a b", 6, "expected ',', but found 'b'"),
        ("!env=a", 4, "expected ',', but found '='"),
        ("env=(a)", 4, "expected ',', but found '('"),
        ("env=a=b", 5, "expected ',', but found '='"),
        ("env in web", 7, "expected '(', but found 'web'"),
        ("env in", 6, "expected '(', but found the end"),
        ("env in (a b)", 10, "expected ',' or ')', but found 'b'"),
        ("env in (a", 9, "expected ',' or ')', but found the end"),
        ("env notin (a,!b)", 13, "expected ',' or ')', but found '!'"),
    ],
)
def test_a_syntax_error_says_where_and_what_was_expected(
    text: str, position: int, problem: str
) -> None:
    with pytest.raises(SelectorSyntaxError) as caught:
        parse_selector(text)
    error = caught.value
    assert (error.text, error.position, error.problem) == (text, position, problem)
    assert str(error) == f"selector {text!r}, character {position + 1}: {problem}"


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("gpu,tag:env", 4, "a key is written without 'tag:', as in env for tag:env-production"),
        ("gpu,9x=a", 4, "a key starts with a letter"),
        ("env in (a,b/c)", 10, "a value holds letters, digits, dashes, dots and underscores"),
        ("env=a:b", 4, "a value holds letters, digits, dashes, dots and underscores"),
        (f"gpu,env in ({'x,' * 64}x)", 4, "at most 64 values"),
    ],
)
def test_a_wrong_word_is_pointed_at(text: str, position: int, problem: str) -> None:
    with pytest.raises(SelectorSyntaxError) as caught:
        parse_selector(text)
    assert caught.value.position == position
    assert caught.value.problem.startswith(problem)


def test_an_error_is_one_line() -> None:
    with pytest.raises(SelectorSyntaxError) as caught:
        parse_selector("env\nweb")
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(st.lists(REQUIREMENTS, min_size=1, max_size=5).map(lambda each: Selector(tuple(each))))
def test_what_a_selector_writes_it_reads(selector: Selector) -> None:
    assert parse_selector(str(selector)) == selector


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab-in notin=!(),<> \t:é", max_size=20))
def test_any_text_is_a_selector_or_a_syntax_error_inside_it(text: str) -> None:
    position = 0
    try:
        assert parse_selector(text).requirements
    except SelectorSyntaxError as error:
        position = error.position
    assert 0 <= position <= len(text)
