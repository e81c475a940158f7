import pytest

from discovery.plan.policy import GrantRule, TailnetPolicy

PRODUCTION = GrantRule(("production",), ("tag:env-production", "tag:service-*"))


@pytest.mark.parametrize(
    ("namespace", "tags", "granted"),
    [
        ("production", ("tag:env-production",), True),
        ("production", ("tag:x", "tag:service-api"), True),
        ("production", ("tag:env-production-2",), False),
        ("staging", ("tag:env-production",), False),
    ],
)
def test_a_grant_needs_its_namespace_and_one_of_its_tags(
    namespace: str, tags: tuple[str, ...], *, granted: bool
) -> None:
    policy = TailnetPolicy("company.ts.net", grants=(PRODUCTION,))

    assert policy.grants_device(namespace, tags) is granted


def test_without_grants_everything_is_granted() -> None:
    policy = TailnetPolicy("company.ts.net")

    assert policy.admits("any")
    assert policy.grants_device("any", ("tag:x",))


def test_an_empty_list_of_grants_grants_nothing() -> None:
    assert not TailnetPolicy("company.ts.net", grants=()).admits("any")


def test_a_rule_without_tags_gives_every_device() -> None:
    policy = TailnetPolicy("company.ts.net", grants=(GrantRule(("a*",)),))

    assert policy.grants_device("apps", ())
    assert not policy.admits("web")


def test_a_rule_without_namespaces_speaks_of_all() -> None:
    assert TailnetPolicy("t", grants=(GrantRule(tags=("tag:x",)),)).admits("any")


def test_a_star_alone_matches_everything() -> None:
    policy = TailnetPolicy("t", grants=(GrantRule(("*",), ("*",)),))

    assert policy.grants_device("any", ("tag:x",))
    assert not policy.grants_device("any", ())


def test_two_rules_never_add_up_to_a_third() -> None:
    grants = (GrantRule(("a",), ("tag:x",)), GrantRule(("b",), ("tag:y",)))
    policy = TailnetPolicy("t", grants=grants)

    assert policy.admits("a")
    assert policy.admits("b")
    assert policy.grants_device("a", ("tag:x",))
    assert not policy.grants_device("a", ("tag:y",))
