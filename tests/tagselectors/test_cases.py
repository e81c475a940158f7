"""The tables in fixtures/selectors are the documentation of the semantics: all three ways hold."""

from typing import Any

from tagselectors import Selector, SelectorTerms, TagGrammar, TagIndex, TagSelector


def _terms(case: dict[str, Any]) -> SelectorTerms:
    terms = case["terms"] if "terms" in case else [case["selector"]]
    return SelectorTerms(
        tuple(Selector(tuple(map(TagSelector.model_validate, term))) for term in terms)
    )


def _grammar(case: dict[str, Any]) -> TagGrammar:
    return TagGrammar(case.get("declaredKeys", ()))


def test_a_case_holds_for_one_device(case: dict[str, Any]) -> None:
    assert _terms(case).matches(case["tags"], _grammar(case)) is case["matches"]


def test_a_case_holds_for_one_selector_alone(case: dict[str, Any]) -> None:
    selectors = _terms(case).terms
    assert any(each.matches(case["tags"], _grammar(case)) for each in selectors) is case["matches"]


def test_a_case_holds_in_its_explanation(case: dict[str, Any]) -> None:
    assert _terms(case).explain(case["tags"], _grammar(case)).matches is case["matches"]


def test_a_case_holds_in_the_index(case: dict[str, Any]) -> None:
    index = TagIndex[str, str]({"it": _terms(case)}, _grammar(case))
    index.load({"device": case["tags"]})
    assert index.matches("it") == (["device"] if case["matches"] else [])


def test_a_case_says_why(case: dict[str, Any]) -> None:
    assert case["why"]
