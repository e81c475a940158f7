from hypothesis import given
from hypothesis import strategies as st

from discovery.plan.naming import MAX_LABEL, assign, label_of


def test_the_first_label_of_the_name_is_the_endpoint() -> None:
    assert label_of("API-1.company.ts.net", "n1") == "api-1"


def test_a_label_has_at_most_63_characters() -> None:
    assert label_of("a" * 70, "n1") == "a" * 63


def test_what_no_dns_label_holds_becomes_a_dash() -> None:
    assert label_of("_db_1.company.ts.net", "n1") == "db-1"


def test_a_device_without_a_name_is_called_after_its_node() -> None:
    assert label_of("", "nA1bC2") == label_of("", "nA1bC2") != label_of("", "nA1bC3")


def test_the_lowest_node_keeps_the_plain_name() -> None:
    names, collisions = assign([("n2", "api"), ("n1", "api")], {})

    assert names["n1"] == "api"
    assert names["n2"] == "api-0480a93d"
    assert collisions == ("name 'api' is taken by device n1: device n2 is 'api-0480a93d'",)


def test_a_static_name_is_never_given_away() -> None:
    names, collisions = assign([("n1", "api")], {"api": "a static endpoint"})

    assert names["n1"].startswith("api-")
    assert "a static endpoint" in collisions[0]


def test_a_long_name_makes_room_for_its_suffix() -> None:
    names, _ = assign([("n1", "a" * MAX_LABEL), ("n2", "a" * MAX_LABEL)], {})

    assert names["n2"] == "a" * 54 + "-0480a93d"


def test_a_name_that_looks_like_anothers_suffix_is_given_once() -> None:
    names, collisions = assign([("n1", "api-0480a93d"), ("n0", "api"), ("n2", "api")], {})

    assert names == {"n0": "api", "n1": "api-0480a93d", "n2": "api-49a7796a"}
    assert collisions == ("name 'api' is taken by device n0: device n2 is 'api-49a7796a'",)


def test_a_suffix_does_not_depend_on_who_else_is_there() -> None:
    two, _ = assign([("n1", "api"), ("n2", "api")], {})
    three, _ = assign([("n0", "api"), ("n1", "api"), ("n2", "api")], {})

    assert two["n2"] == three["n2"] == "api-0480a93d"


def test_a_cut_name_has_no_dash_before_that_of_its_suffix() -> None:
    wanted = "a" * 53 + "-" + "b" * 9

    assert assign([("n2", wanted)], {wanted: "device n1"})[0]["n2"] == "a" * 53 + "-0480a93d"


labels = st.from_regex(r"[a-z]([a-z-]{0,61}[a-z])?", fullmatch=True)


@given(
    st.dictionaries(st.text("nA1", min_size=1), labels | st.just("api"), max_size=8),
    st.dictionaries(labels | st.just("api"), st.just("a static endpoint"), max_size=3),
)
def test_names_are_unique_labels_whatever_the_order(
    wanted: dict[str, str], reserved: dict[str, str]
) -> None:
    names, _ = assign(wanted.items(), reserved)
    again, _ = assign(reversed(wanted.items()), reserved)

    assert names == again
    assert names.keys() == wanted.keys()
    assert not reserved.keys() & names.values()
    assert len(set(names.values())) == len(wanted)
    assert all(len(name) <= MAX_LABEL and name.strip("-") == name for name in names.values())
