import pytest

from tagselectors import Reading, TagGrammar


def test_the_values_of_a_key_are_those_of_all_its_tags() -> None:
    tags = ["tag:env-production", "tag:env", "tag:env:blue", "tag:tier-web", "env-none"]
    assert TagGrammar().values_of("env", tags) == {"production", "", "blue"}


def test_a_device_without_the_key_has_no_values() -> None:
    assert TagGrammar().values_of("env", ["tag:environment-x"]) == frozenset()


def test_a_key_that_lost_its_tag_to_a_declared_one_has_no_values() -> None:
    assert TagGrammar(["service-type"]).values_of("service", ["tag:service-type-web"]) == set()


def test_declared_keys_are_a_set() -> None:
    one, other = TagGrammar(["a", "b"]), TagGrammar(("b", "a", "a"))
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize("key", ["", "env-", "-env", "1st", "e_v", "e.v", "env\n", "k" * 254, "ké"])
def test_a_declared_key_must_be_a_key(key: str) -> None:
    with pytest.raises(ValueError, match="a key starts with a letter"):
        TagGrammar([key])


def test_the_longest_key_allowed_has_253_characters() -> None:
    assert TagGrammar(["k" * 253]).declared_keys == {"k" * 253}


@pytest.mark.parametrize(
    ("tag", "key", "value"),
    [
        ("tag:env-production", "env", "production"),
        ("tag:gpu", "gpu", ""),
        ("tag:gpu-", "gpu", ""),
        ("tag:env:production", "env", "production"),
        ("tag:service-type=web", "service-type", "web"),
        ("tag:a:b=c", "a", "b=c"),
        ("tag:a--b", "a", "-b"),
    ],
)
def test_a_tag_with_one_way_to_split_is_not_ambiguous(tag: str, key: str, value: str) -> None:
    assert TagGrammar().reading(tag) == Reading(tag, key, value, declared=False, ambiguous=False)


def test_the_first_dash_splits_and_a_second_makes_the_reading_ambiguous() -> None:
    assert TagGrammar().reading("tag:service-type-web") == Reading(
        "tag:service-type-web", "service", "type-web", declared=False, ambiguous=True
    )


@pytest.mark.parametrize(
    ("declared", "key", "value"),
    [
        (["service-type"], "service-type", "web"),
        (["service"], "service", "type-web"),
        (["service", "service-type"], "service-type", "web"),
        (["service-type-web"], "service-type-web", ""),
    ],
)
def test_a_declared_key_decides(declared: list[str], key: str, value: str) -> None:
    assert TagGrammar(declared).reading("tag:service-type-web") == Reading(
        "tag:service-type-web", key, value, declared=True, ambiguous=False
    )


@pytest.mark.parametrize("text", ["", "tag:", "tag:1st", "tag:-a", "tag:_", "env-production"])
def test_text_without_a_valid_key_has_no_reading(text: str) -> None:
    assert TagGrammar().reading(text) is None
