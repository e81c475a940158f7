"""Whatever the lists say, and whenever the process starts anew: the promise, as properties."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.guard.conftest import MINUTE, History, device, fleet, history

NUMBERS = range(1, 13)
CONFIRMATIONS = 3


@dataclass(frozen=True)
class Step:
    """One poll: who is really there, whom the list lacks by mistake, who gives no answer."""

    there: frozenset[int]
    lied: frozenset[int]
    silent: frozenset[int]
    fails: bool
    restarts: bool
    seconds: int


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Devices come and go; lists lie, fail, come early; processes end."""
    there = frozenset(NUMBERS)
    steps = []
    some = st.sets(st.sampled_from(list(NUMBERS)), max_size=6)
    for _ in range(draw(st.integers(3, 12))):
        there = there ^ frozenset(draw(some)) if draw(st.booleans()) else there
        lied = frozenset(draw(some)) if draw(st.integers(0, 3)) == 0 else frozenset()
        silent = frozenset(draw(some)) if draw(st.integers(0, 3)) == 0 else frozenset()
        steps.append(
            Step(
                there,
                lied,
                silent,
                draw(st.integers(0, 4)) == 0,
                draw(st.integers(0, 4)) == 0,
                draw(st.sampled_from([10, 50, 60, 60, 60, 90])),
            )
        )
    return steps


@dataclass
class World:
    """Carries steps out as a source and a controller do, and keeps what really happened."""

    made: History = field(default_factory=history)
    lists: list[tuple[datetime, frozenset[int]]] = field(default_factory=list)
    asked: dict[str, set[str]] = field(default_factory=dict)

    def take(self, step: Step) -> set[str]:
        """Make a poll and a pass; return the nodes that lost their endpoint."""
        made, before = self.made, set(self.made.names)
        if step.restarts:
            made.restart()
        if step.fails:
            made.now += timedelta(seconds=step.seconds)
            return set()
        listed = step.there - step.lied
        made.gone = {f"n{n:02}" for n in set(NUMBERS) - step.there - step.silent}
        made.answers = {f"n{n:02}": device(n) for n in step.there - step.silent}
        disproved = bool(before & {f"n{n:02}" for n in step.lied & step.there - step.silent})
        made.turn(
            [*fleet(*sorted(listed)), device(99, "tag:other")],
            after=timedelta(seconds=step.seconds),
            evidence={"disproved": disproved},
        )
        self.lists.append((made.now, listed))
        return before - set(made.names)


@given(histories())
@settings(max_examples=150, deadline=None)
def test_nothing_goes_that_is_there(steps: list[Step]) -> None:
    world = World()
    world.made.turn(fleet(*NUMBERS))
    for step in steps:
        gone = world.take(step)
        assert not gone & {f"n{n:02}" for n in step.there}


@given(histories())
@settings(max_examples=150, deadline=None)
def test_what_is_much_goes_only_after_lists_enough_over_time_enough(steps: list[Step]) -> None:
    world = World()
    world.made.turn(fleet(*NUMBERS))
    for step in steps:
        size = len(world.made.names)
        gone = world.take(step)
        if len(gone) <= max(3, size * 30 // 100):
            continue
        for node in gone:
            lacking = []
            for at, listed in reversed(world.lists):
                if int(node[1:]) in listed:
                    break
                lacking.append(at)
            assert len(lacking) >= CONFIRMATIONS
            assert lacking[0] - lacking[-1] >= (CONFIRMATIONS - 1) * MINUTE


@given(histories())
@settings(max_examples=150, deadline=None)
def test_what_is_there_and_listed_has_its_endpoint(steps: list[Step]) -> None:
    world = World()
    world.made.turn(fleet(*NUMBERS))
    for step in steps:
        world.take(step)
        if not step.fails:
            expected = {f"n{n:02}" for n in step.there - step.lied}
            assert expected <= set(world.made.names)


@given(histories())
@settings(max_examples=150, deadline=None)
def test_what_is_due_goes_within_four_good_polls(steps: list[Step]) -> None:
    world = World()
    world.made.turn(fleet(*NUMBERS))
    there: frozenset[int] = frozenset(NUMBERS)
    for step in steps:
        world.take(step)
        there = step.there
    calm = Step(there, frozenset(), frozenset(), fails=False, restarts=False, seconds=60)
    for _ in range(4):
        world.take(calm)
    assert set(world.made.names) == {f"n{n:02}" for n in there}
