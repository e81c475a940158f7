"""Whatever is there and whatever is wanted: slices end as wanted, and no endpoint is ever missing.

The capacity of a slice is set to 3, so that small cases reach every corner of the packing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.plan import packing
from discovery.plan.changes import Change, Changes
from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.endpointslice import AddressType, SliceEndpoint
from discovery.plan.owner import Owner
from discovery.plan.ports import Port
from discovery.plan.slices import Desired, EndpointSlice, desired, diff

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CAPACITY = 3
OWNER = Owner("default", "web", "uid-1", "web", headless=True, instance="main")

thoroughly = settings(max_examples=200, deadline=None)

Seat = tuple[str, str, str]  # endpoint name, address, port name


@pytest.fixture(autouse=True, scope="module")
def _small_slices() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "CAPACITY", CAPACITY)
        yield


PORTS = st.sampled_from(
    [
        (Port("http", 80),),
        (Port("http", 8080),),
        (Port("http", 9090),),
        (Port("http", 80, checked=True),),
        (Port("http", 80), Port("metrics", 9100)),
        (Port("http", 80, checked=True), Port("metrics", 9100)),
    ]
)


def endpoint(number: int, ports: tuple[Port, ...]) -> Endpoint:
    address = IPv4Address("100.64.0.1") + number
    return Endpoint(f"m{number:02}", Source.TAG_SELECTOR, f"n{number}", "", (address,), ports)


ENDPOINTS = st.dictionaries(st.integers(0, 15), PORTS, max_size=14).map(
    lambda found: [endpoint(number, ports) for number, ports in found.items()]
)
READY = st.sets(st.integers(0, 15))
WANTED = st.builds(
    lambda owner, endpoints, unready: desired(
        owner, endpoints, lambda address, _port: int(address) % 16 not in unready
    ),
    st.sampled_from(
        [OWNER, Owner("default", "web", "uid-1", None, headless=True, instance="main")]
    ),
    ENDPOINTS,
    READY,
)


@st.composite
def odd_slices(draw: st.DrawFn) -> list[EndpointSlice]:
    """Draw slices as no pass leaves them: duplicates, too full, empty, drifted, being deleted."""
    slices = []
    for index in range(draw(st.integers(0, 5))):
        numbers = draw(st.sets(st.integers(0, 15), max_size=8))
        ports = tuple(Port(p.name, p.number) for p in draw(PORTS))
        slices.append(
            EndpointSlice(
                namespace="default",
                name=f"web-odd-{index}",
                address_type=AddressType.IPV4,
                ports=ports,
                endpoints=tuple(
                    SliceEndpoint(f"m{n:02}", f"100.64.0.{n + 1}", f"n{n}") for n in sorted(numbers)
                ),
                labels=tuple(OWNER.slice_labels.items()),
                owner_name="web",
                owner_uid="uid-1",
                uid=f"uid-of-{index}",
                deleting=draw(st.integers(0, 5)) == 0,
                drifted=draw(st.integers(0, 5)) == 0,
            )
        )
    return slices


def seats(slices: Iterable[EndpointSlice]) -> set[Seat]:
    return {
        (e.name, e.address, port.name)
        for held in slices
        if not held.deleting
        for e in held.endpoints
        for port in held.ports
    }


def wanted_seats(wanted: Desired) -> set[Seat]:
    return {
        (e.name, e.address, port.name)
        for group, endpoints in wanted.groups.items()
        for e in endpoints
        for port in group.ports
    }


def apply(
    current: Sequence[EndpointSlice],
    changes: Changes,
    fails: Callable[[int], bool] = lambda _index: False,
    after_each: Callable[[list[EndpointSlice]], None] = lambda _slices: None,
) -> list[EndpointSlice]:
    """Carry out changes one by one, as a store does: leave out what needs a write that failed."""
    slices = {held.name: held for held in current}
    failed: set[str] = set()
    for index, change in enumerate(changes):
        if not failed.isdisjoint(change.needs) or fails(index):
            failed.add(change.name)
            continue
        if change.after is None:
            del slices[change.name]
        else:
            slices[change.name] = EndpointSlice.parse(dict(change.after))
        after_each(list(slices.values()))
    return list(slices.values())


def live(slices: Iterable[EndpointSlice]) -> list[EndpointSlice]:
    return [held for held in slices if not held.deleting]


def check_reached(slices: list[EndpointSlice], wanted: Desired) -> None:
    held = sorted((s.group, e) for s in live(slices) for e in s.endpoints)
    assert held == sorted((g, e) for g, endpoints in wanted.groups.items() for e in endpoints)
    assert all(1 <= len(s.endpoints) <= CAPACITY for s in live(slices))
    assert not diff(slices, wanted, NOW)


@thoroughly
@given(odd_slices(), WANTED)
def test_any_state_reaches_the_wanted_one_and_then_nothing_is_written(
    current: list[EndpointSlice], wanted: Desired
) -> None:
    check_reached(apply(current, diff(current, wanted, NOW)), wanted)


@thoroughly
@given(odd_slices(), WANTED, st.sets(st.integers(0, 12)))
def test_an_endpoint_that_stays_wanted_is_in_a_slice_after_every_single_write(
    current: list[EndpointSlice], wanted: Desired, failing: set[int]
) -> None:
    stay = seats(current) & wanted_seats(wanted)

    def no_gap(slices: list[EndpointSlice]) -> None:
        assert stay <= seats(slices)

    apply(current, diff(current, wanted, NOW), failing.__contains__, no_gap)


@thoroughly
@given(st.lists(st.tuples(WANTED, st.sets(st.integers(0, 12))), min_size=2, max_size=4))
def test_passes_that_half_fail_leave_no_gap_and_the_next_one_repairs_them(
    passes: list[tuple[Desired, set[int]]],
) -> None:
    current: list[EndpointSlice] = []
    for wanted, failing in passes:
        stay = seats(current) & wanted_seats(wanted)
        current = apply(current, diff(current, wanted, NOW), failing.__contains__)
        assert stay <= seats(current)
    last = passes[-1][0]
    check_reached(apply(current, diff(current, last, NOW)), last)


@thoroughly
@given(odd_slices(), WANTED, st.randoms(use_true_random=False))
def test_the_order_of_inputs_is_irrelevant(
    current: list[EndpointSlice], wanted: Desired, random: object
) -> None:
    expected = diff(current, wanted, NOW)
    shuffled = list(current)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # Hypothesis' Random
    assert diff(shuffled, wanted, NOW) == expected


@thoroughly
@given(ENDPOINTS, st.randoms(use_true_random=False))
def test_the_order_of_endpoints_is_irrelevant(endpoints: list[Endpoint], random: object) -> None:
    expected = diff([], desired(OWNER, endpoints), NOW)
    shuffled = list(endpoints)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # Hypothesis' Random
    assert diff([], desired(OWNER, shuffled), NOW) == expected


@thoroughly
@given(odd_slices(), ENDPOINTS)
def test_inputs_are_never_edited(current: list[EndpointSlice], endpoints: list[Endpoint]) -> None:
    wanted = desired(OWNER, endpoints)
    before = deepcopy((current, endpoints, wanted))
    diff(current, wanted, NOW)
    assert (current, endpoints, wanted) == before


@thoroughly
@given(odd_slices(), WANTED)
def test_names_are_unique_and_valid(current: list[EndpointSlice], wanted: Desired) -> None:
    created = [c.name for c in diff(current, wanted, NOW) if c.action == "create"]
    assert len(set(created)) == len(created)
    assert not {held.name for held in current} & set(created)
    subdomain = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    assert all(re.fullmatch(subdomain, name) and len(name) <= 253 for name in created)


def reaches_itself(name: str, needs: dict[str, set[str]]) -> bool:
    seen: set[str] = set()
    todo = list(needs[name])
    while todo:
        other = todo.pop()
        if other not in seen:
            seen.add(other)
            todo += needs.get(other, set())
    return name in seen


@thoroughly
@given(odd_slices(), WANTED)
def test_a_slice_is_written_twice_only_where_slices_exchange_endpoints_in_a_circle(
    current: list[EndpointSlice], wanted: Desired
) -> None:
    writes: dict[str, list[Change]] = {}
    for change in diff(current, wanted, NOW):
        writes.setdefault(change.name, []).append(change)
    needs = {name: set(found[-1].needs) - {name} for name, found in writes.items()}
    for name, found in writes.items():
        assert len(found) <= 2
        if len(found) == 2:
            assert reaches_itself(name, needs)


@thoroughly
@given(odd_slices(), WANTED)
def test_every_write_comes_after_those_it_needs(
    current: list[EndpointSlice], wanted: Desired
) -> None:
    written: set[str] = set()
    for change in diff(current, wanted, NOW):
        assert set(change.needs) <= written
        written.add(change.name)


@thoroughly
@given(odd_slices(), WANTED)
def test_gains_need_nothing(current: list[EndpointSlice], wanted: Desired) -> None:
    assert all(change.needs == () for change in diff(current, wanted, NOW).gains)
