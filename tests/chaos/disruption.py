"""What happens to whole processes in a chaos run: controllers and the API server."""

import asyncio
import signal
from time import monotonic
from typing import TYPE_CHECKING, Final

from tests.chaos.crew import Worker
from tests.chaos.deck import Deck
from tests.chaos.spoiler import cut
from tests.chaos.trouble import OBJECTS, WRITES
from tests.controlplane.exchange import Exchange
from tests.controlplane.faults import Act, Fault, drop

if TYPE_CHECKING:
    from tests.chaos.driver import Driver

FROZEN_FOR: Final = (3.5, 5.0)  # seconds; longer than a lease
KINDS: Final = (
    *("killed in a pass", "killed", "resigned", "frozen", "frozen in a pass"),
    *("cut off", "API server restarted", "API server killed in a pass"),
)


class Disruptions:
    """At most one at a time; ``told`` says what happened since it was last looked at."""

    def __init__(self, driver: "Driver") -> None:
        self.told: list[str] = []
        self._driver = driver
        self._kinds = Deck(KINDS, driver.random)
        self._kind = ""
        self._fired = False
        self._frozen: list[tuple[float, Worker]] = []
        self._restart: asyncio.Task[None] | None = None
        self._cut_off: Worker | None = None

    @property
    def is_down(self) -> bool:
        """Whether the API server is away."""
        return self._restart is not None and not self._restart.done()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing goes on."""
        return not (self.is_down or self._frozen or self._cut_off)

    @property
    def cut_off_slot(self) -> int:
        """The slot whose controller can not reach the API server, or -1."""
        return -1 if self._cut_off is None else self._cut_off.slot

    def choose(self) -> None:
        """Choose what happens at the next poll."""
        if not self.is_quiet:
            return
        self._kind = self._kinds.deal()

    def arm(self, leader: Worker) -> None:
        """Let what is to happen in a pass happen at one of its writes."""
        self._thaw()
        self._fired = False
        if not self._kind.endswith("in a pass"):
            return
        random = self._driver.random
        at, passes = random.randint(1, 6), random.random() < 0.5
        proxy = self._driver.proxies[leader.slot]
        act = self._at_write(leader, at, passes=passes)
        proxy.add(Fault(act, method=WRITES, path=OBJECTS, watch=False, times=None))

    async def fire(self, leader: Worker) -> None:
        """Let what is to happen between two passes happen now."""
        kind, self._kind = self._kind, ""
        if not kind:
            return
        driver = self._driver
        if kind.endswith("in a pass"):
            driver.proxies[leader.slot].clear()
            if not self._fired:
                self._do(kind, leader)
        else:
            self._do(kind, leader)
        driver.report.disruptions[kind] += 1
        self.told.append(f"{leader.role.identity} {kind}")
        if kind.startswith("API server"):
            for proxy in driver.proxies:
                cut(proxy)  # it would keep the connection of an answer whose server has died
            self._restart = asyncio.create_task(self._start_again())
        else:
            await self._follow(kind, leader)

    async def _follow(self, kind: str, leader: Worker) -> None:
        """Note what a controller is to come back from; wait until one that was killed is dead."""
        if kind.startswith("frozen"):
            until = monotonic() + self._driver.random.uniform(*FROZEN_FOR)
            self._frozen.append((until, leader))
        elif kind.startswith("killed"):
            await leader.reading
        elif kind == "cut off":
            self._cut_off = leader

    async def pass_over(self) -> None:
        """Return when nothing goes on any more."""
        while not self.is_quiet:
            if self._restart is not None:
                await self._restart
                self._restart = None
            self._thaw()
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        for _, worker in self._frozen:
            worker.send(signal.SIGKILL)
        if self._restart is not None:
            await self._restart

    def _at_write(self, leader: Worker, at: int, *, passes: bool) -> Act:
        """Strike at the n-th write, which the API server then gets or not."""
        count, kind = 0, self._kind

        async def act(exchange: Exchange) -> None:
            nonlocal count
            count += 1
            if count != at or self._fired:
                await exchange.relay()
                return
            self._fired = True
            if passes:
                await exchange.pass_on()
            self._do(kind, leader)
            await exchange.gone()

        return act

    def _do(self, kind: str, leader: Worker) -> None:
        if kind.startswith("killed"):
            leader.send(signal.SIGKILL)
        elif kind == "resigned":
            leader.send(signal.SIGTERM)
        elif kind.startswith("frozen"):
            leader.freeze()
        elif kind == "cut off":
            self._driver.proxies[leader.slot].add(Fault(drop(), times=None))
            cut(self._driver.proxies[leader.slot])
        elif kind.startswith("API server"):
            self._driver.server.kill()

    def _thaw(self) -> None:
        """Let those go on whose time has come, and connect who has lost the lead."""
        for end, worker in list(self._frozen):
            if monotonic() >= end:
                worker.send(signal.SIGCONT)
                self._frozen.remove((end, worker))
        if self._cut_off is not None and not self._cut_off.lives:
            self._driver.proxies[self._cut_off.slot].clear()
            self._cut_off = None

    async def _start_again(self) -> None:
        await asyncio.sleep(self._driver.random.choice([0.0, 1.0]))
        await asyncio.to_thread(self._driver.server.start)
