from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from discovery.plan.policy import GrantRule, RemovalRules, TailnetPolicy
from discovery.v1alpha1 import RemovalPolicy, RemovalSpec
from tagselectors import TagGrammar

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


DIGESTED = TailnetPolicy(
    "t",
    denied=(ip_network("100.65.0.0/16"), ip_network("100.66.0.0/16")),
    grants=(GrantRule(("a",), ("tag:x",)),),
    grammar=TagGrammar(["app", "env", "service-type", "team", "zone"]),
)


@pytest.mark.parametrize(
    "change",
    [
        {"denied": (ip_network("100.65.0.0/16"),)},
        {"grants": (GrantRule(("b",), ("tag:x",)),)},
        {"grants": (GrantRule(("a",), ("tag:y",)),)},
        {"grants": ()},
        {"grants": None},
        {"grammar": TagGrammar(["env"])},
    ],
)
def test_the_digest_changes_with_what_decides_who_is_an_endpoint(change: dict[str, Any]) -> None:
    assert replace(DIGESTED, **change).digest != DIGESTED.digest


@pytest.mark.parametrize(
    "change",
    [
        {"tailnet": "u", "domains": ("u.ts.net",)},
        {"denied": DIGESTED.denied[::-1]},
        {"grammar": TagGrammar(["zone", "team", "service-type", "env", "app"])},
        {"removal": RemovalRules(max_percent=10)},
    ],
)
def test_the_digest_changes_with_nothing_else(change: dict[str, Any]) -> None:
    assert replace(DIGESTED, **change).digest == DIGESTED.digest


def test_the_digest_is_the_same_in_every_process() -> None:
    assert DIGESTED.digest == "c03b64a5bc16"


def test_the_rules_of_removal_without_any_word() -> None:
    assert RemovalRules() == RemovalRules(RemovalPolicy.CONFIRM, 30, 3, 50, 5)


def test_what_a_resource_does_not_say_is_the_tailnets() -> None:
    tailnet = RemovalRules(RemovalPolicy.APPROVE, 10, 5, 60, 7)

    assert tailnet.of_resource(None) == tailnet
    assert tailnet.of_resource(RemovalSpec(confirmations=2)) == replace(tailnet, confirmations=2)
