from typing import Any

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
