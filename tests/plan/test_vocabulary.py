from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.plan.vocabulary import TagUse, most_useful, propose_keys, tag_uses
from tagselectors import TagGrammar


def test_without_tags_no_key_is_worth_declaring() -> None:
    assert propose_keys([]) == ()


def test_a_key_is_the_longest_beginning_that_two_tags_share() -> None:
    tags = ["tag:service-type-web", "tag:service-type-api", "tag:env-a", "tag:env-b", "tag:gpu"]

    assert propose_keys(tags) == ("env", "service-type")


def test_a_tag_that_shares_nothing_splits_at_its_first_dash() -> None:
    assert propose_keys(["tag:port-8080", "tag:x-y-z"]) == ("port", "x")


def test_a_key_never_ends_in_a_dash() -> None:
    assert propose_keys(["tag:a--b", "tag:a--c"]) == ("a",)


def test_uses_are_sorted_and_know_what_is_ambiguous(make: Any) -> None:
    devices = [
        make.device(1, "tag:a-b-c"),
        make.device(2, "tag:a-b-c", "tag:gpu"),
        make.device(3, "x"),
    ]

    assert tag_uses(devices, TagGrammar()) == (
        TagUse("tag:a-b-c", 2, "a", "b-c", ambiguous=True),
        TagUse("tag:gpu", 1, "gpu", "", ambiguous=False),
    )
    assert tag_uses(devices, TagGrammar(["a-b"]))[0] == TagUse(
        "tag:a-b-c", 2, "a-b", "c", ambiguous=False
    )


def test_the_first_resource_selects_what_most_devices_are(make: Any) -> None:
    devices = [
        make.device(n, "tag:env-production", "tag:port-80", f"tag:team-{n}") for n in range(3)
    ]

    assert str(most_useful(devices, TagGrammar())) == "env=production"


def test_without_tags_there_is_nothing_to_select(make: Any) -> None:
    assert most_useful([make.device(1, "tag:port-80")], TagGrammar()) is None


@pytest.mark.parametrize(
    ("tags", "keys"),
    [
        (["tag:env=my-app", "tag:env=my-db"], ("env",)),
        (["tag:env:production"], ("env",)),
        (["tag:1-2", "x-y", "tag:gpu"], ()),
    ],
)
def test_only_keys_that_may_be_declared_are_proposed(
    tags: list[str], keys: tuple[str, ...]
) -> None:
    assert propose_keys(tags) == keys
    assert TagGrammar(keys).declared_keys == set(keys)


@given(st.lists(st.text("ab1-=:.", max_size=8).map("tag:".__add__), max_size=6))
def test_what_is_proposed_can_be_declared_and_does_not_depend_on_order(tags: list[str]) -> None:
    keys = propose_keys(tags)

    assert keys == propose_keys(reversed(tags))
    assert TagGrammar(keys).declared_keys == set(keys)


def test_a_value_that_no_selector_may_list_is_not_proposed(make: Any) -> None:
    devices = [make.device(1, "tag:env=a@b"), make.device(2, "tag:env=a@b", "tag:team-x")]

    assert str(most_useful(devices, TagGrammar())) == "team=x"


def test_of_tags_on_as_many_devices_the_first_by_name_is_taken(make: Any) -> None:
    assert str(most_useful([make.device(1, "tag:b-1", "tag:a-2")], TagGrammar())) == "a=2"


def test_a_bare_tag_is_selected_by_its_empty_value(make: Any) -> None:
    found = most_useful([make.device(1, "tag:gpu")], TagGrammar())

    assert found is not None
    assert (found.key, found.values) == ("gpu", ("",))


def test_a_tag_shares_nothing_with_itself() -> None:
    assert propose_keys(["tag:a-b-c", "tag:a-b-c"]) == ("a",)


def test_keys_and_uses_are_sorted(make: Any) -> None:
    tags = [f"tag:{letter}-x" for letter in "hgfedcba"]

    assert propose_keys(tags) == tuple("abcdefgh")
    assert [use.key for use in tag_uses([make.device(1, *tags)], TagGrammar())] == list("abcdefgh")
