"""What must hold for any tags and any selectors, small alphabets to make them meet."""

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tagselectors import Operator, Selector, SelectorTerms, TagGrammar, TagIndex, TagSelector

KEYS = st.sampled_from(["a", "a-b", "a-b-c", "b", "c"])
VALUES = st.sampled_from(["", "b", "c", "b-c", "x"])
TAGS = st.one_of(
    st.builds("tag:{}{}{}".format, KEYS, st.sampled_from("-:="), VALUES),
    st.builds("tag:{}".format, KEYS),
    st.sampled_from(["tag:", "a-b", "tag:ab"]),
)
TAG_SETS = st.lists(TAGS, max_size=5)
LISTS = st.lists(VALUES, min_size=1, max_size=3).map(tuple)
REQUIREMENTS = st.one_of(
    st.builds(
        TagSelector,
        key=KEYS,
        operator=st.sampled_from([Operator.IN, Operator.NOT_IN]),
        values=LISTS,
    ),
    st.builds(
        TagSelector,
        key=KEYS,
        operator=st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST]),
    ),
)
SELECTORS = st.lists(REQUIREMENTS, max_size=3).map(lambda each: Selector(tuple(each)))
TERMS = st.lists(SELECTORS, max_size=3).map(lambda each: SelectorTerms(tuple(each)))
GRAMMARS = st.lists(KEYS, max_size=3).map(TagGrammar)
DEVICES = st.integers(0, 12)
NAMES = st.sampled_from("pqrs")
STEPS = st.one_of(
    st.dictionaries(DEVICES, st.none() | TAG_SETS, max_size=6).map(lambda given: ("update", given)),
    st.dictionaries(NAMES, st.none() | TERMS, max_size=2).map(lambda given: ("define", given)),
    st.dictionaries(DEVICES, TAG_SETS, max_size=8).map(lambda given: ("load", given)),
)

Tags = dict[int, Sequence[str]]
Expressions = dict[str, SelectorTerms]


def _selected(expressions: Expressions, devices: Tags, grammar: TagGrammar) -> dict[str, list[int]]:
    return {
        name: sorted(device for device, tags in devices.items() if terms.matches(tags, grammar))
        for name, terms in expressions.items()
    }


def _found(index: TagIndex[str, int], expressions: Expressions) -> dict[str, list[int]]:
    found = {name: sorted(index.matches(name)) for name in expressions}
    assert {name: index.count(name) for name in expressions} == {
        name: len(devices) for name, devices in found.items()
    }
    return found


def _replace(current: dict[Any, Any], changed: dict[Any, Any]) -> dict[Any, Any]:
    return {name: each for name, each in (current | changed).items() if each is not None}


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(NAMES, TERMS), st.dictionaries(DEVICES, TAG_SETS), GRAMMARS, st.lists(STEPS))
def test_the_index_says_what_each_selector_says_after_any_steps(
    expressions: Expressions, devices: Tags, grammar: TagGrammar, steps: list[Any]
) -> None:
    index = TagIndex[str, int](expressions, grammar)
    index.load(devices)
    assert _found(index, expressions) == _selected(expressions, devices, grammar)
    for kind, given_now in steps:
        before = _selected(expressions, devices, grammar)
        match kind:
            case "update":
                devices = _replace(devices, given_now)
                after = _selected(expressions, devices, grammar)
                touched = {name for name in expressions if before[name] != after[name]}
                assert index.update(given_now) == touched
            case "define":
                expressions = _replace(expressions, given_now)
                index.define(given_now)
            case "load":
                devices = given_now
                index.load(devices)
        assert _found(index, expressions) == _selected(expressions, devices, grammar)


@settings(max_examples=100, deadline=None)
@given(KEYS, LISTS, TAG_SETS, GRAMMARS)
def test_negations_are_complements(
    key: str, values: tuple[str, ...], tags: list[str], grammar: TagGrammar
) -> None:
    listed = TagSelector(key=key, operator=Operator.IN, values=values)
    unlisted = TagSelector(key=key, operator=Operator.NOT_IN, values=values)
    there = TagSelector(key=key, operator=Operator.EXISTS)
    missing = TagSelector(key=key, operator=Operator.DOES_NOT_EXIST)
    assert listed.matches(tags, grammar) is not unlisted.matches(tags, grammar)
    assert there.matches(tags, grammar) is not missing.matches(tags, grammar)
    assert there.matches(tags, grammar) or not listed.matches(tags, grammar)


@settings(max_examples=100, deadline=None)
@given(TERMS, TAG_SETS, GRAMMARS)
def test_an_explanation_agrees_and_names_tags_of_the_device(
    terms: SelectorTerms, tags: list[str], grammar: TagGrammar
) -> None:
    explanation = terms.explain(tags, grammar)
    assert explanation.matches is terms.matches(tags, grammar)
    for term, selector in zip(explanation.terms, terms.terms, strict=True):
        assert term.matches is selector.matches(tags, grammar)
        assert tuple(each.requirement for each in term.requirements) == selector.requirements
        assert all(set(each.tags) <= set(tags) for each in term.requirements)


@settings(max_examples=100, deadline=None)
@given(TERMS, TAG_SETS.flatmap(lambda tags: st.tuples(st.just(tags), st.permutations(tags))))
def test_the_order_of_tags_means_nothing(
    terms: SelectorTerms, tags: tuple[list[str], list[str]]
) -> None:
    given_order, other_order = tags
    assert terms.matches(given_order) is terms.matches(other_order)
    assert terms.explain(given_order) == terms.explain(other_order)


@settings(max_examples=100, deadline=None)
@given(KEYS, TAG_SETS, st.lists(KEYS, max_size=3))
def test_a_tag_belongs_to_a_key_unless_a_longer_declared_key_owns_it(
    key: str, tags: list[str], declared: list[str]
) -> None:
    def owns(owner: str, tag: str) -> bool:
        return tag == f"tag:{owner}" or tag.startswith(
            tuple(f"tag:{owner}{dash}" for dash in "-:=")
        )

    owned = {
        tag.removeprefix(f"tag:{key}")[1:]
        for tag in tags
        if owns(key, tag)
        and not any(len(longer) > len(key) and owns(longer, tag) for longer in declared)
    }
    assert TagGrammar(declared).values_of(key, tags) == owned


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(NAMES, TERMS),
    st.dictionaries(DEVICES, TAG_SETS),
    st.dictionaries(DEVICES, st.none() | TAG_SETS),
)
def test_inputs_are_never_changed_nor_followed(
    expressions: Expressions, devices: Tags, changed: dict[int, list[str] | None]
) -> None:
    given_first = copy.deepcopy((expressions, devices, changed))
    index = TagIndex[str, int](expressions)
    index.load(devices)
    index.update(changed)
    index.define(expressions)
    assert (expressions, devices, changed) == given_first
    found = _found(index, expressions)
    for tags in changed.values():
        if tags is not None:
            tags.append("tag:a-x")
    assert index.update({}) == set()
    assert _found(index, expressions) == found


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"tag:[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True), GRAMMARS)
def test_every_tag_that_tailscale_allows_has_a_reading(tag: str, grammar: TagGrammar) -> None:
    reading = grammar.reading(tag)
    assert reading is not None
    assert reading.value in grammar.values_of(reading.key, [tag])
    assert not (reading.declared and reading.ambiguous)
