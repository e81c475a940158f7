from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from discovery.plan.owner import FIELD_MANAGER
from discovery.stores.cache import Cache, Held, claim_of

Object = dict[str, Any]
NAMES = st.sampled_from("ab")


def thing(
    name: str, version: int, value: str = "", *, uid: str = "", deleting: bool = False
) -> Object:
    metadata: Object = {
        "namespace": "default",
        "name": name,
        "uid": uid or f"uid of {name}",
        "resourceVersion": str(version),
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-25T12:00:00Z"
    return {"metadata": metadata, "value": value}


class News(Cache[str]):
    """A cache of values, found by their value too, and what it told of others' doings."""

    def __init__(self) -> None:
        super().__init__(_value, lambda held: [held.value], self._tell)
        self.told: list[tuple[str | None, str | None]] = []

    def _tell(self, old: Held[str] | None, new: Held[str] | None) -> None:
        self.told.append((old.value if old else None, new.value if new else None))

    @property
    def values(self) -> dict[str, str]:
        return {held.name: held.value for held in self}

    def see(self, obj: Object) -> None:
        self.upsert(self.project(obj))

    def see_gone(self, obj: Object) -> None:
        self.remove(self.project(obj))


def _value(obj: Mapping[str, Any]) -> str:
    return str(obj["value"])


@pytest.fixture
def cache() -> News:
    return News()


def test_what_others_did_is_told_with_what_was_before(cache: News) -> None:
    cache.see(thing("a", 1, "one"))
    cache.see(thing("a", 2, "two"))
    cache.see_gone(thing("a", 3, "two"))
    assert cache.told == [(None, "one"), ("one", "two"), ("two", None)]
    assert len(cache) == 0


def test_a_write_of_ours_is_known_at_once_and_no_news(cache: News) -> None:
    cache.put(thing("a", 5, "ours"))
    cache.see(thing("a", 5, "ours"))
    assert (cache.values, cache.told) == ({"a": "ours"}, [])


def test_what_others_did_just_before_a_write_of_ours_is_told_and_the_newer_is_held(
    cache: News,
) -> None:
    cache.put(thing("a", 10, "theirs, and ours"))
    cache.see(thing("a", 9, "theirs"))
    assert cache.values == {"a": "theirs, and ours"}
    assert cache.told == [("theirs, and ours", "theirs, and ours")]


def test_several_writes_of_ours_are_no_news(cache: News) -> None:
    for version in (5, 6, 8):
        cache.put(thing("a", version, f"ours {version}"))
    for version in (5, 6, 8):
        cache.see(thing("a", version, f"ours {version}"))
    assert (cache.values, cache.told) == ({"a": "ours 8"}, [])


def test_versions_are_compared_as_numbers(cache: News) -> None:
    cache.see(thing("a", 9, "old"))
    cache.see(thing("a", 10, "new"))
    assert cache.values == {"a": "new"}


def test_an_answer_that_comes_after_a_newer_event_changes_nothing(cache: News) -> None:
    cache.see(thing("a", 6, "theirs"))
    cache.put(thing("a", 5, "ours"))
    assert cache.values == {"a": "theirs"}


def test_an_answer_that_comes_after_the_objects_end_was_told_brings_nothing_back(
    cache: News,
) -> None:
    cache.see(thing("a", 5, "ours"))
    cache.see_gone(thing("a", 6, "ours"))
    cache.put(thing("a", 5, "ours"))
    assert cache.values == {}


def test_what_we_ended_does_not_come_back_by_an_older_event(cache: News) -> None:
    cache.see(thing("a", 1, "one"))
    cache.drop("default", "a", "uid of a")
    cache.see(thing("a", 2, "two"))
    assert (cache.values, cache.told) == ({}, [(None, "one")])


def test_another_object_of_the_name_of_one_that_we_ended_is_news(cache: News) -> None:
    cache.see(thing("a", 1, "one"))
    cache.drop("default", "a", "uid of a")
    cache.see(thing("a", 3, "new", uid="another"))
    assert cache.values == {"a": "new"}
    cache.see_gone(thing("a", 4, uid="another"))
    cache.see(thing("a", 5, "back"))
    assert cache.values == {}


def test_what_we_ended_is_held_while_a_finalizer_keeps_it(cache: News) -> None:
    cache.see(thing("a", 1, "one"))
    cache.drop("default", "a", "uid of a")
    cache.see(thing("a", 2, "ending", deleting=True))
    assert cache.values == {"a": "ending"}
    cache.drop("default", "a", "uid of a")
    assert cache.values == {"a": "ending"}


def test_the_end_of_a_former_object_leaves_the_one_that_has_its_name_now(cache: News) -> None:
    cache.put(thing("a", 5, "new", uid="another"))
    cache.see_gone(thing("a", 4, "old"))
    cache.drop("default", "a", "uid of a")
    assert cache.values == {"a": "new"}


def test_a_list_is_taken_as_it_is(cache: News) -> None:
    for name, version in (("same", 1), ("changed", 2), ("gone", 3)):
        cache.see(thing(name, version, name))
    cache.told.clear()
    listed = [thing("same", 1, "same"), thing("changed", 9, "anew"), thing("new", 8, "new")]
    cache.replace([cache.project(obj) for obj in listed])
    assert cache.values == {"same": "same", "changed": "anew", "new": "new"}
    assert cache.told == [("gone", None), ("changed", "anew"), (None, "new")]


def test_after_a_restored_backup_a_list_with_older_versions_holds(cache: News) -> None:
    cache.see(thing("a", 100, "lost"))
    cache.replace([cache.project(thing("a", 50, "restored"))])
    assert cache.values == {"a": "restored"}
    cache.see(thing("a", 60, "later"))
    assert cache.values == {"a": "later"}


def test_a_list_brings_back_what_we_ended_if_it_is_there(cache: News) -> None:
    cache.see(thing("a", 100, "ended"))
    cache.drop("default", "a", "uid of a")
    cache.replace([cache.project(thing("a", 50, "restored"))])
    cache.see(thing("a", 60, "later"))
    assert cache.values == {"a": "later"}


def test_a_read_may_find_what_the_watch_does_not_select(cache: News) -> None:
    cache.see(thing("a", 1, "one"))
    cache.see_gone(thing("a", 2, "without its label"))
    cache.find_out(thing("a", 2, "without its label"))
    assert cache.values == {"a": "without its label"}
    cache.find_out(thing("a", 1, "one"))
    assert cache.values == {"a": "without its label"}


def test_objects_are_found_by_each_handle_that_they_have_now(cache: News) -> None:
    cache.see(thing("b", 1, "x"))
    cache.see(thing("a", 2, "x"))
    assert [held.name for held in cache.find("x")] == ["a", "b"]
    cache.see(thing("a", 3, "y"))
    assert [held.name for held in cache.find("x")] == ["b"]
    assert [held.name for held in cache.find("y")] == ["a"]
    cache.drop("default", "b", "uid of b")
    assert cache.find("x") == []


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        (None, None),
        ([{"manager": FIELD_MANAGER, "operation": "Apply"}], None),
        ([{"manager": "kubectl", "operation": "Update"}], None),
        ([{"manager": FIELD_MANAGER, "operation": "Update", "subresource": "status"}], None),
        ([{"manager": "kubectl"}, {"manager": FIELD_MANAGER, "operation": "Update"}], 1),
    ],
)
def test_a_claim_is_the_place_of_our_entry_outside_apply_and_subresources(
    entries: list[Object] | None, place: int | None
) -> None:
    assert claim_of({"managedFields": entries}) == place


class Interleavings(RuleBasedStateMachine):
    """A server whose events, lists and answers to our writes come late, each kind in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = News()
        self.version = 0
        self.objects: dict[str, Object] = {}
        self.untold: list[tuple[Callable[[Object], None], Object]] = []
        self.answers: list[Callable[[], object]] = []
        self.listed: list[Object] | None = None

    def written(self, name: str) -> Object:
        self.version += 1
        known = self.objects.get(name, {"metadata": {"uid": f"{name}-{self.version}"}})["metadata"]
        deleting = "deletionTimestamp" in known
        text = f"value {self.version}"
        made = thing(name, self.version, text, uid=known["uid"], deleting=deleting)
        self.objects[name] = made
        self.untold.append((self.cache.see, made))
        return made

    @rule(name=NAMES)
    def somebody_writes(self, name: str) -> None:
        self.written(name)

    @rule(name=NAMES, finalized=st.booleans())
    def somebody_deletes(self, name: str, *, finalized: bool) -> None:
        if name not in self.objects:
            return
        self.version += 1
        uid = self.objects[name]["metadata"]["uid"]
        gone = thing(name, self.version, "going", uid=uid, deleting=True)
        if finalized:
            self.objects[name] = gone
        else:
            del self.objects[name]
        self.untold.append((self.cache.see if finalized else self.cache.see_gone, gone))

    @rule(name=NAMES)
    def we_write(self, name: str) -> None:
        made = self.written(name)
        self.answers.append(lambda: self.cache.put(made))

    @rule(name=NAMES, finalized=st.booleans())
    def we_delete(self, name: str, *, finalized: bool) -> None:
        if name in self.objects:
            uid = self.objects[name]["metadata"]["uid"]
            self.somebody_deletes(name, finalized=finalized)
            self.answers.append(lambda: self.cache.drop("default", name, uid))

    @precondition(lambda self: self.answers)
    @rule()
    def an_answer_comes(self) -> None:
        self.answers.pop(0)()

    @precondition(lambda self: self.untold and self.listed is None)
    @rule()
    def the_watch_tells(self) -> None:
        see, obj = self.untold.pop(0)
        see(obj)

    # An answer is not late by a whole list: then an end in between would be told by nobody.
    @precondition(lambda self: self.listed is None and not self.answers)
    @rule()
    def a_list_is_read(self) -> None:
        self.listed = list(self.objects.values())
        self.untold.clear()  # the watch begins at the list

    @precondition(lambda self: self.listed is not None)
    @rule()
    def the_list_comes(self) -> None:
        self.cache.replace([self.cache.project(obj) for obj in self.listed or ()])
        self.listed = None

    def teardown(self) -> None:
        if self.listed is not None:
            self.the_list_comes()
        while self.answers:
            self.an_answer_comes()
        while self.untold:
            self.the_watch_tells()
        assert self.cache.values == {name: str(o["value"]) for name, o in self.objects.items()}
        for held in self.cache:
            assert held in self.cache.find(held.value)


Interleavings.TestCase.settings = settings(max_examples=200, deadline=None)
TestAnyInterleavingEndsInTheServersState = Interleavings.TestCase


def test_what_others_did_before_a_write_of_ours_is_told_by_the_next_list(cache: News) -> None:
    cache.replace([cache.project(thing("a", 9, "old"))])
    cache.told.clear()
    cache.put(thing("a", 11, "edited"))  # the watch is broken: nobody told of version 10
    assert cache.told == []
    cache.replace([cache.project(thing("a", 11, "edited"))])
    assert cache.told == [("edited", "edited")]
