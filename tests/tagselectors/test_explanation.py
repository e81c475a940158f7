import pytest

from tagselectors import Selector, SelectorTerms, TagGrammar, parse_selector


def _reason(
    selector: str, *tags: str, declared: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], str]:
    terms = SelectorTerms((parse_selector(selector),))
    (term,) = terms.explain(tags, TagGrammar(declared)).terms
    (requirement,) = term.requirements
    return requirement.tags, requirement.reason


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ("env=dev", "tag:env-dev has a listed value of the key env."),
        ("env!=dev", "tag:env-dev has a listed value of the key env."),
        ("env=test", "tag:env-dev has the key env, but no listed value."),
        ("env!=test", "tag:env-dev has the key env, but no listed value."),
        ("env", "tag:env-dev has the key env."),
        ("!env", "tag:env-dev has the key env."),
    ],
)
def test_the_reason_names_the_tag_that_decided(selector: str, reason: str) -> None:
    assert _reason(selector, "tag:tier-web", "tag:env-dev") == (("tag:env-dev",), reason)


@pytest.mark.parametrize("selector", ["env=dev", "env!=dev", "env", "!env"])
def test_the_reason_says_that_no_tag_has_the_key(selector: str) -> None:
    assert _reason(selector, "tag:tier-web") == ((), "No tag has the key env.")


def test_several_tags_decide_in_sorted_order() -> None:
    assert _reason("role in (a,b)", "tag:role-b", "tag:role-c", "tag:role-a", "tag:role-a") == (
        ("tag:role-a", "tag:role-b"),
        "tag:role-a and tag:role-b have a listed value of the key role.",
    )


@pytest.mark.parametrize("selector", ["service=type-web", "service!=x", "service", "!service"])
def test_the_reason_names_the_declared_key_that_took_the_tag(selector: str) -> None:
    declared = ("service-type",)
    assert _reason(selector, "tag:service-type-web", declared=declared) == (
        ("tag:service-type-web",),
        "tag:service-type-web belongs to the declared key service-type, not to service.",
    )


def test_tags_that_another_key_took_are_named_in_sorted_order() -> None:
    tags = tuple(f"tag:a-b-{letter}" for letter in "zyxwvuts")
    deciding, _ = _reason("a", *tags, declared=("a-b",))
    assert deciding == tags[::-1]


def test_a_tag_that_another_key_took_is_left_out_where_another_tag_decides() -> None:
    tags = ("tag:service-type-web", "tag:service-db")
    assert _reason("service", *tags, declared=("service-type",)) == (
        ("tag:service-db",),
        "tag:service-db has the key service.",
    )


def test_the_text_shows_every_term_and_requirement() -> None:
    terms = SelectorTerms((parse_selector("env=production,!gpu"), parse_selector("env=dev")))
    explanation = terms.explain(["tag:gpu", "tag:env-dev"])
    assert explanation.matches
    assert [term.matches for term in explanation.terms] == [False, True]
    assert str(explanation).splitlines() == [
        "matches",
        "  term 1 does not match",
        "    env=production does not match: tag:env-dev has the key env, but no listed value.",
        "    !gpu does not match: tag:gpu has the key gpu.",
        "  term 2 matches",
        "    env=dev matches: tag:env-dev has a listed value of the key env.",
    ]


def test_the_text_says_that_nothing_selects_nothing() -> None:
    assert SelectorTerms().explain(["tag:gpu"]).lines() == (
        "does not match: a selector without terms selects nothing.",
    )
    assert SelectorTerms((Selector(),)).explain(["tag:gpu"]).lines() == (
        "does not match",
        "  term 1 does not match: a term without requirements selects nothing.",
    )


def test_the_same_tags_in_another_order_give_the_same_text() -> None:
    terms = SelectorTerms((parse_selector("role=a,service"),))
    tags = ["tag:role-a", "tag:role-b", "tag:service-type-web", "tag:service-mesh-x"]
    grammar = TagGrammar(["service-type", "service-mesh"])
    assert terms.explain(tags, grammar) == terms.explain(tags[::-1], grammar)
