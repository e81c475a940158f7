"""Where slices exchange endpoints: chains are put in order, a second write opens a circle."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address

from discovery.plan.changes import Change, Changes
from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.owner import Owner
from discovery.plan.ports import Port
from discovery.plan.slices import EndpointSlice, desired, diff

OWNER = Owner("default", "web", "uid-1", "web", headless=True, instance="main")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


ADDRESSES = {
    name: IPv4Address("100.64.0.1") + index
    for index, name in enumerate(("a", "b", "c", "d", "stays-81", "stays-82", "stays-83"))
}


def listening(**ports: int) -> list[Endpoint]:
    """Return machines by name, each listening on its port, beside one that stays on each port."""
    stay = {f"stays-{port}": port for port in (81, 82, 83)}
    return [
        Endpoint(name, Source.TAG_SELECTOR, "", "", (ADDRESSES[name],), (Port("http", port),))
        for name, port in (stay | ports).items()
    ]


def moves(before: list[Endpoint], after: list[Endpoint]) -> Changes:
    first = diff([], desired(OWNER, before), NOW)
    current = [EndpointSlice.parse(change.after) for change in first if change.after]
    return diff(current, desired(OWNER, after), NOW)


def shown(changes: tuple[Change, ...]) -> list[tuple[int, list[str]]]:
    return [
        (
            change.after["ports"][0]["port"],
            [e["hostname"] for e in change.after["endpoints"] if len(e["hostname"]) == 1],
        )
        for change in changes
        if change.after
    ]


def test_a_chain_is_written_from_its_end_and_each_slice_once() -> None:
    changes = moves(listening(a=81, b=82), listening(a=82, b=83))
    assert shown(changes.gains) == [(83, ["b"])]
    assert shown(changes.losses) == [(82, ["a"]), (81, [])]
    assert [c.needs for c in changes.losses] == [
        (changes.gains[0].name,),
        (changes.losses[0].name,),
    ]
    assert [c.reason for c in changes] == [
        "Endpoints: 1 moved in.",
        "Endpoints: 1 moved in, 1 moved out.",
        "Endpoints: 1 moved out.",
    ]


def test_a_swap_writes_one_slice_twice_first_with_both() -> None:
    changes = moves(listening(a=81, b=82), listening(a=82, b=81))
    (union,) = changes.gains
    other, final = changes.losses
    assert union.name == final.name
    assert shown((union,))[0][1] == ["a", "b"]
    assert len(shown((other,))[0][1]) == 1
    assert len(shown((final,))[0][1]) == 1
    assert (union.needs, other.needs) == ((), (union.name,))
    assert final.needs == tuple(sorted((union.name, other.name)))
    assert final.before == union.after
    assert union.reason == (
        "Endpoints: 1 moved in, 1 moved out, in two writes: this one holds both sides."
    )
    assert final.reason == "Endpoints: 1 moved in, 1 moved out, in two writes: this one ends it."


def test_a_circle_of_three_is_opened_by_one_second_write() -> None:
    changes = moves(listening(a=81, b=82, c=83), listening(a=82, b=83, c=81))
    assert len(changes) == 4
    assert len(changes.gains) == 1


def test_a_chain_into_a_circle_is_written_once() -> None:
    changes = moves(listening(a=81, b=82, c=83), listening(a=82, b=81, c=82))
    names = [change.name for change in changes]
    assert len(names) == 4
    (chain,) = [c for c in changes if c.after and c.after["ports"][0]["port"] == 83]
    assert names.count(chain.name) == 1


def test_an_endpoint_that_leaves_for_good_needs_nothing() -> None:
    changes = moves(listening(a=81), listening())
    assert [(c.needs, c.reason) for c in changes.losses] == [((), "Endpoints: 1 gone.")]


def test_creates_come_first_and_each_phase_is_in_the_order_of_names() -> None:
    changes = moves(listening(a=81), listening(b=81, c=84, d=85))
    assert [c.action for c in changes] == ["create", "create", "update"]
    assert changes.gains[0].name < changes.gains[1].name
    assert len(changes) == 3


def test_a_write_carries_the_version_that_was_looked_at_and_a_second_one_none() -> None:
    first = diff([], desired(OWNER, listening(a=81, b=82)), NOW)
    current = [
        replace(EndpointSlice.parse(change.after), uid="u", resource_version="7")
        for change in first
        if change.after
    ]
    changes = diff(current, desired(OWNER, listening(a=82, b=81)), NOW)
    versions = [
        change.after["metadata"].get("resourceVersion") for change in changes if change.after
    ]
    assert versions == ["7", "7", None]
