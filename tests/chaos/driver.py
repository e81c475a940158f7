"""A chaos run: chance decides what happens, the oracle judges what came of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

from discovery.simulator import Simulator, SimulatorState
from tests.chaos.cluster import NAMESPACE, Observer
from tests.chaos.crew import Crew, StuckError, Worker
from tests.chaos.deck import Deck
from tests.chaos.disruption import Disruptions
from tests.chaos.fleet import Fleet
from tests.chaos.oracle import INTERVAL, LONG_CALM, Oracle, Slices, Violation
from tests.chaos.records import replayed
from tests.chaos.report import Report
from tests.chaos.served import read_answer, read_listing
from tests.chaos.spoiler import Spoiler
from tests.chaos.tap import Tap
from tests.chaos.worker import Role
from tests.controlplane.proxy import FaultProxy
from tests.controlplane.server import OwnControlPlane

BEGIN: Final = datetime(2027, 1, 1, 12, tzinfo=UTC)
LEASE: Final = (3.0, 2.0, 0.4)  # seconds
ALONE_AFTER: Final = LEASE[0] + 0.5


class Driver:
    """One run with one seed. The server is the run's own; its proxies are one per worker."""

    def __init__(self, server: OwnControlPlane, seed: int, folder: Path) -> None:
        self.random = Random(seed)  # noqa: S311 - no secret
        self.report = Report(seed)
        self.fleet = Fleet(self.random)
        self.oracle = Oracle(self.fleet.world.copy())
        self.now = BEGIN
        self.server = server
        self.observer = Observer(server, self._see)
        self.proxies = [FaultProxy(server), FaultProxy(server)]
        self.state = SimulatorState()
        self.crew = Crew(folder, self._role)
        self.records = folder / "records"
        self.disruptions = Disruptions(self)
        self.spoiler = Spoiler(self)
        self._changes = Deck(self.fleet.changes, self.random)
        self._generations: dict[str, int] = {}
        self._leader: Worker | None = None
        self._step: list[str] = []

    async def run(self, seconds: float, polls: int = 0) -> Report:
        """Let things happen for so long, then let everything come right; return the report.

        On a busy machine it takes up to twice as long, until there were so many polls.
        """
        # Connections that are cut on purpose would be told of by the thousand.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        began = monotonic()
        async with self._servers():
            try:
                await self._begin()
                while not self.oracle.violations:
                    spent = monotonic() - began
                    if spent >= seconds and (self.report.polls >= polls or spent >= 2 * seconds):
                        break
                    await self._storm()
                    await self._calm(self.random.randint(5, 14))
                await self._finish()
            except StuckError as stuck:
                self.oracle.violations.append(Violation("stuck", "", "", str(stuck)))
        self._sum_up(monotonic() - began)
        return self.report

    @asynccontextmanager
    async def _servers(self) -> AsyncIterator[None]:
        async with (
            Simulator(self.state) as simulator,
            Tap(simulator.url, self._listed, self._answered) as self.tap,
        ):
            with self.proxies[0], self.proxies[1]:
                try:
                    yield
                finally:
                    await self.disruptions.end()
                    await self.crew.end()
                    await self.observer.end()

    async def _begin(self) -> None:
        await self.observer.begin()
        for name, selector in self.fleet.world.selectors.items():
            self._generations[name] = await self.observer.create(name, selector)
        self._publish()
        await self._calm(3)

    async def _storm(self) -> None:
        """Some polls under faults, while the world changes."""
        for _ in range(self.random.randint(3, 12)):
            if self.oracle.violations:
                break
            await self._change()
            leader = await self._lead()
            if self.random.random() < 0.12:
                self.disruptions.choose()
            self.spoiler.spoil(leader)
            await self._poll(calm=False)
        self.spoiler.stop()

    async def _calm(self, polls: int) -> None:
        """Some polls without a fault, while the world changes less and less."""
        await self.disruptions.pass_over()
        if self.random.random() < 0.7:
            await self._wait_until_alone()
        for place in range(polls):
            if self.oracle.violations:
                return
            if place < polls // 2:
                await self._change()
            await self._poll(calm=True)

    async def _finish(self) -> None:
        """Let every fault be over, and everything come right."""
        await self.disruptions.pass_over()
        await self._wait_until_alone()
        for _ in range(self.oracle.bound() + LONG_CALM):
            if self.oracle.violations:
                break
            await self._poll(calm=True)
        if not self.oracle.violations:
            self.report.differences = self.oracle.differences()

    async def _lead(self) -> Worker:
        """Return who leads; faults that keep everybody from it are not kept up for long."""
        try:
            return await self.crew.leader(within=3 * LEASE[0])
        except StuckError:
            self.spoiler.stop()
            return await self.crew.leader()

    async def _wait_until_alone(self) -> None:
        """Wait until nobody can believe that another controller writes, by the real clock."""
        while True:
            leader = await self._lead()
            left = (leader.led_since or 0) + ALONE_AFTER - monotonic()
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def _change(self) -> None:
        """Let something really happen, mostly."""
        if self.random.random() < 0.45:
            return
        name = self._changes.deal()
        self.fleet.changes[name]()
        self.report.changes[name] += 1
        self._step.append(name)
        edit = self.fleet.edit() if self.random.random() < 0.2 else None
        if edit is not None and not self.disruptions.is_down and self._has_been_seen():
            resource, selector = edit
            self._generations[resource] = await self.observer.edit(resource, selector)
            self.fleet.world.selectors[resource] = selector
            self.report.changes["edited"] += 1
            self._step.append(f"edited {resource} to {dict(selector)}")
        self._publish()

    def _has_been_seen(self) -> bool:
        """Whether the leader knows every edit so far; the next one waits for that."""
        leader = self._leader
        return leader is not None and leader.lives and not self._unseen(leader)

    def _publish(self) -> None:
        """Make the world what the control plane has."""
        machines = [self.fleet.world.machines[node] for node in sorted(self.fleet.world.machines)]
        self.random.shuffle(machines)
        self.state.devices = [machine.body() for machine in machines]
        self.oracle.change(self.fleet.world.copy())

    async def _poll(self, *, calm: bool) -> None:
        """Let whoever leads poll once, and judge what came of it."""
        leader = await self._lead()
        if leader is not self._leader:
            self.oracle.lead()
            self.report.leaders += 1
        alone = monotonic() - (leader.led_since or 0) > ALONE_AFTER
        undisturbed = calm and alone and leader is self._leader and self.disruptions.is_quiet
        self._leader = leader
        self.now += INTERVAL * self.random.uniform(0.9, 1.1)
        self.oracle.begin(settled=not self.disruptions.is_down)
        self.disruptions.arm(leader)
        done = await leader.poll(self.now)
        await self.disruptions.fire(leader)
        self.report.steps += 1
        self.report.polls += done is not None
        if not self.disruptions.is_down:
            await self.observer.catch_up(self.report.steps)
        undisturbed = undisturbed and done is not None and leader.lives
        self.report.calm_polls += undisturbed
        unsettled = set(self._generations)
        if done is not None and not self.disruptions.is_down:
            unsettled = {*done["retried"], *self._unseen(leader)}
        self.oracle.end(calm=undisturbed, unsettled=unsettled)
        self._log(leader, calm=undisturbed, unsettled=sorted(unsettled))

    def _unseen(self, leader: Worker) -> set[str]:
        """Return the resources whose last edit the leader does not know of."""
        return {n for n, g in self._generations.items() if leader.seen.get(n, 0) < g}

    def _log(self, leader: Worker, *, calm: bool, unsettled: list[str]) -> None:
        said = "; ".join(self._step + self.spoiler.told + self.disruptions.told) or "nothing"
        waits = f"; unsettled {', '.join(unsettled)}" if unsettled else ""
        self.report.trail.append(
            f"{self.report.steps} {self.now:%H:%M:%S} {leader.role.identity} "
            f"{'calm' if calm else 'storm'}: {said}{waits}"
        )
        self._step = []
        self.spoiler.told = []
        self.disruptions.told = []

    def _listed(self, status: int, body: bytes) -> None:
        self.oracle.listed(read_listing(status, body), self.now)

    def _answered(self, node: str, status: int, body: bytes) -> None:
        self.oracle.answered(node, read_answer(status, body))

    def _see(self, slices: Slices) -> None:
        self.oracle.see(slices)

    def _role(self, number: int, slot: int) -> Role:
        return Role(
            identity=f"worker-{number}",
            namespace=NAMESPACE,
            kubeconfig=str(self.proxies[slot].kubeconfig(namespace=NAMESPACE)),
            records=str(self.records / f"worker-{number}"),
            tailnet=self.tap.url,
            api_key=self.state.credentials.api_key,
            lease=LEASE,
            seed=self.report.seed * 1000 + number,
        )

    def _sum_up(self, seconds: float) -> None:
        report, oracle = self.report, self.oracle
        report.seconds = seconds
        report.violations = oracle.violations
        report.removals, report.edits = oracle.removals, oracle.edits
        report.states, report.gaps = self.observer.states, self.observer.gaps
        report.lists, report.answers = self.tap.lists, self.tap.answers
        report.decisions, report.not_reproduced = replayed(self.records)
