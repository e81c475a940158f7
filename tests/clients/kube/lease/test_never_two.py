"""Whatever happens to requests, clocks and processes, two electors never lead at one moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.clients.kube.lease import Elector, LeadershipLostError

if TYPE_CHECKING:
    from tests.clients.kube.lease.conftest import Clock, Wire, World

TROUBLE_ENDS = 120.0
OVER = 240.0  # another life may have begun just before, and waits for the one before it

FATES = st.tuples(
    st.sampled_from(["answered", "answered", "answered", "dropped", "lost", "late"]),
    st.sampled_from([0.0, 0.01, 1.0, 4.0]),
    st.sampled_from([0.0, 0.01, 1.0, 4.0, 9.0, 14.0]),
)
# Between trust (10 s) and wait (15 s) there is room for clocks that differ by less than a half.
MACHINES = st.tuples(
    st.sampled_from([0.85, 1.0, 1.2]),
    st.lists(FATES, max_size=60),
    st.lists(
        st.tuples(st.floats(0.5, 60.0), st.sampled_from(["kill", "stop"])), min_size=1, max_size=6
    ),
)
Machine = tuple[float, list[tuple[str, float, float]], list[tuple[float, str]]]


@dataclass
class Crowd:
    """The electors that live, checked whenever everything that can run has run."""

    world: World
    alive: dict[int, Elector]

    def check(self) -> None:
        leaders = [one.identity for one in self.alive.values() if one.valid()]
        assert len(leaders) < 2, f"{leaders} at {self.world.loop.seconds}"


async def lead_for_ever(elector: Elector) -> None:
    while True:
        await elector.acquire()
        try:
            await elector.hold()
        except LeadershipLostError:
            continue


async def lives(
    crowd: Crowd, number: int, clock: Clock, wire: Wire, ends: list[tuple[float, str]]
) -> None:
    """Let one machine start its program again and again, each time with no memory."""
    for life, (seconds, end) in enumerate([*ends, (OVER, "kill")]):
        if crowd.world.loop.seconds >= TROUBLE_ENDS:
            seconds = OVER  # noqa: PLW2901 - from now on nothing goes wrong
        elector = crowd.world.elector(f"machine{number}-life{life}", clock=clock, wire=wire)
        crowd.alive[number] = elector
        running = asyncio.create_task(lead_for_ever(elector))
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.wait([running])
        if end == "stop":
            await elector.release()


def watched(crowd: Crowd, wires: list[Wire], stories: list[object]) -> None:
    """Run until well after all trouble has ended; somebody must lead then."""

    async def story() -> None:
        crowd.world.loop.on_turn = crowd.check
        for wire in wires:
            crowd.world.loop.call_at(TROUBLE_ENDS, wire.fates.clear)
        tasks = [asyncio.ensure_future(one) for one in stories]  # type: ignore[call-overload]
        await asyncio.sleep(OVER)
        assert any(one.valid() for one in crowd.alive.values()), "nobody leads in the end"
        crowd.world.loop.on_turn = lambda: None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    crowd.world.run(story())


@settings(deadline=None, max_examples=60)
@given(machines=st.lists(MACHINES, min_size=2, max_size=3))
def test_two_never_lead_at_one_moment_and_in_the_end_one_does(
    worlds: type[World], machines: list[Machine]
) -> None:
    crowd = Crowd(worlds(), {})
    wires = [crowd.world.wire(*fates) for _, fates, _ in machines]
    clocks = [crowd.world.clock(rate, ahead=timedelta(hours=-rate)) for rate, _, _ in machines]
    stories: list[object] = [
        lives(crowd, number, clocks[number], wires[number], ends)
        for number, (_, _, ends) in enumerate(machines)
    ]
    watched(crowd, wires, stories)


@settings(deadline=None, max_examples=60)
@given(
    fates=st.lists(st.lists(FATES, max_size=40), min_size=2, max_size=3),
    deletions=st.lists(st.floats(1.0, TROUBLE_ENDS), max_size=8),
)
def test_not_even_where_somebody_deletes_the_lease(
    worlds: type[World], fates: list[list[tuple[str, float, float]]], deletions: list[float]
) -> None:
    """As long as everybody has seen it before: who starts later can not know that it was there."""
    world = worlds()
    crowd = Crowd(world, {})
    fine = [("answered", 0.0, 0.0)] * 2
    wires = [world.wire(*fine, *mine) for mine in fates]
    for number, wire in enumerate(wires):
        crowd.alive[number] = world.elector(f"machine{number}", wire=wire)

    async def delete() -> None:
        for moment in sorted(deletions):
            await asyncio.sleep(moment - world.loop.seconds)
            world.store.lease = None

    watched(crowd, wires, [*map(lead_for_ever, crowd.alive.values()), delete()])
