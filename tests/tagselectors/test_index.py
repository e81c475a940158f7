import pytest

from tagselectors import Selector, SelectorTerms, TagGrammar, TagIndex, parse_selector
from tagselectors import circuit as compiled


def _terms(*selectors: str) -> SelectorTerms:
    return SelectorTerms(tuple(map(parse_selector, selectors)))


def _index(**selectors: str) -> TagIndex[str, str]:
    index = TagIndex[str, str]({name: _terms(text) for name, text in selectors.items()})
    index.load(
        {
            "web": ["tag:env-prod", "tag:web"],
            "db": ["tag:env-prod", "tag:db"],
            "lab": ["tag:env-dev"],
        }
    )
    return index


def _matches(index: TagIndex[str, str], name: str) -> list[str]:
    found = index.matches(name)
    assert index.count(name) == len(found)
    return sorted(found)


def test_before_any_load_nothing_matches() -> None:
    assert TagIndex[str, str]({"all": _terms("env!=x")}).matches("all") == []


def test_load_evaluates_every_expression() -> None:
    index = _index(prod="env=prod", lonely="env,!web,!db", other="env notin (prod)")
    assert _matches(index, "prod") == ["db", "web"]
    assert _matches(index, "lonely") == ["lab"]
    assert _matches(index, "other") == ["lab"]


def test_load_replaces_what_was_there() -> None:
    index = _index(prod="env=prod")
    index.load({"new": ["tag:env-prod"]})
    assert _matches(index, "prod") == ["new"]


def test_terms_are_joined_by_or() -> None:
    index = TagIndex[str, str]({"it": _terms("env=dev", "web,env=prod")})
    index.load({"web": ["tag:env-prod", "tag:web"], "db": ["tag:env-prod"], "lab": ["tag:env-dev"]})
    assert _matches(index, "it") == ["lab", "web"]


def test_empty_terms_and_selectors_select_nothing() -> None:
    empty = {"none": SelectorTerms(), "empty": SelectorTerms((Selector(),))}
    index = TagIndex[str, str](empty)
    index.load({"web": ["tag:web"], "bare": []})
    assert _matches(index, "none") == []
    assert _matches(index, "empty") == []


def test_the_longest_declared_key_wins() -> None:
    expressions = {"short": _terms("service"), "long": _terms("service-type=web")}
    index = TagIndex[str, str](expressions, TagGrammar(["service-type"]))
    index.load({"a": ["tag:service-type-web"], "b": ["tag:service-db"]})
    assert _matches(index, "short") == ["b"]
    assert _matches(index, "long") == ["a"]


def test_an_update_names_the_expressions_whose_devices_changed() -> None:
    index = _index(prod="env=prod", dev="env=dev", any="env", gpu="gpu")
    assert index.update({"db": ["tag:env-dev"]}) == {"prod", "dev"}
    assert _matches(index, "prod") == ["web"]
    assert _matches(index, "dev") == ["db", "lab"]
    assert _matches(index, "any") == ["db", "lab", "web"]


def test_devices_that_swap_places_change_an_expression() -> None:
    index = _index(web="web")
    assert index.update({"web": ["tag:db"], "db": ["tag:web"]}) == {"web"}
    assert _matches(index, "web") == ["db"]


def test_an_update_that_says_nothing_new_changes_nothing() -> None:
    index = _index(prod="env=prod")
    slots = len(index._ids)
    assert index.update({"lab": ["tag:env-dev"], "unknown": None}) == set()
    assert len(index._ids) == slots
    assert _matches(index, "prod") == ["db", "web"]


def test_tags_are_copied_so_that_a_change_of_the_same_list_is_seen() -> None:
    index = TagIndex[str, str]({"gpu": _terms("gpu")})
    loaded, added = ["tag:x"], ["tag:x"]
    index.load({"loaded": loaded})
    index.update({"added": added})
    loaded.append("tag:gpu")
    assert index.update({"loaded": loaded}) == {"gpu"}
    added.append("tag:gpu")
    assert index.update({"added": added}) == {"gpu"}
    assert _matches(index, "gpu") == ["added", "loaded"]


def test_a_new_device_matches() -> None:
    index = _index(prod="env=prod", rest="env!=prod")
    assert index.update({"new": []}) == {"rest"}
    assert _matches(index, "rest") == ["lab", "new"]


def test_a_removed_device_never_matches_again() -> None:
    index = _index(rest="env!=prod", none="!gpu")
    assert index.update({"lab": None}) == {"rest", "none"}
    assert _matches(index, "rest") == []
    assert _matches(index, "none") == ["db", "web"]
    index.define({"later": _terms("!gpu")})
    assert _matches(index, "later") == ["db", "web"]


def test_a_device_may_return() -> None:
    index = _index(none="!gpu")
    index.update({"lab": None})
    assert index.update({"lab": ["tag:x"]}) == {"none"}
    assert _matches(index, "none") == ["db", "lab", "web"]


def test_a_definition_is_evaluated_at_once() -> None:
    index = _index(prod="env=prod")
    index.define({"dev": _terms("env=dev"), "prod": _terms("web")})
    assert _matches(index, "dev") == ["lab"]
    assert _matches(index, "prod") == ["web"]


def test_a_definition_takes_part_in_later_updates() -> None:
    index = _index(prod="env=prod")
    index.define({"dev": _terms("env=dev")})
    assert index.update({"lab": ["tag:env-prod"]}) == {"prod", "dev"}
    assert _matches(index, "dev") == []


def test_a_removed_definition_is_unknown() -> None:
    index = _index(prod="env=prod", dev="env=dev")
    index.define({"prod": None, "never": None})
    with pytest.raises(KeyError):
        index.matches("prod")
    with pytest.raises(KeyError):
        index.count("prod")
    assert index.update({"db": None, "lab": None}) == {"dev"}


def test_slots_do_not_grow_without_bound() -> None:
    index = _index(prod="env=prod")
    for number in range(100):
        index.update({"lab": [f"tag:number-{number}"]})
    assert len(index._ids) <= 2 * 3 + 1
    assert _matches(index, "prod") == ["db", "web"]


def test_an_index_that_lost_all_devices_is_empty() -> None:
    index = _index(none="!gpu")
    assert index.update({"web": None, "db": None, "lab": None}) == {"none"}
    assert _matches(index, "none") == []
    assert index.update({"new": []}) == {"none"}
    assert _matches(index, "none") == ["new"]


@pytest.mark.parametrize("step", [1, 2, 50, 900])
def test_matches_are_found_in_sparse_and_dense_masks(step: int) -> None:
    index = TagIndex[str, int]({"it": _terms("gpu")})
    index.load({number: ["tag:gpu"] if number % step == 0 else [] for number in range(1000)})
    assert index.matches("it") == list(range(0, 1000, step))


def test_equal_requirements_are_compiled_once() -> None:
    one = {"a": _terms("env in (a,b),gpu")}
    three = one | {"b": _terms("gpu,env in (b,a)"), "c": _terms("gpu,env in (a,b,a)")}
    once, thrice = (
        compiled.compile_expressions(each.values(), TagGrammar()) for each in (one, three)
    )
    assert thrice.levels == once.levels
    assert thrice.outputs == once.outputs * 3


def test_memory_for_tags_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_REMEMBERED_TAGS", 10)
    index = TagIndex[str, int]({"it": _terms("gpu")})
    index.load({number: [f"tag:gpu-{number}"] for number in range(100)})
    assert index.count("it") == 100
    assert index._circuit is not None
    assert len(index._circuit._atoms_of_tag) <= 10


def test_different_tags_that_selectors_do_not_tell_apart_share_a_column() -> None:
    circuit = compiled.compile_expressions([_terms("gpu")], TagGrammar())
    rows = [[f"tag:gpu-{number}", f"tag:node-{number}"] for number in range(100)]
    assert set(circuit._columns(rows)) == {(0,), ()}
