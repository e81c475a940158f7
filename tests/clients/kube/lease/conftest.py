"""A simulated Lease store, electors with clocks of their own, and a loop whose time is virtual."""

from __future__ import annotations

import asyncio
import copy
import selectors
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from discovery.clients.errors import ConflictError, NotFoundError, TransientError
from discovery.clients.kube.lease import Elector, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases"


class _Instant(selectors.SelectSelector):
    """Lets the loop's time jump to its next appointment instead of waiting for it."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.on_turn()
        if timeout is None:
            raise AssertionError("everybody waits for somebody else")
        self._loop.seconds += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """``on_turn`` is called whenever everything that can run has run."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.on_turn: Callable[[], None] = lambda: None
        super().__init__(_Instant(self))

    def time(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Fate:
    """What becomes of one request.

    ``dropped``: it never arrives; ``lost``: only its answer; ``late``: it arrives long after, when
    nobody waits any more. ``before`` and ``after`` are seconds on the way there and back.
    """

    kind: str = "answered"
    before: float = 0.0
    after: float = 0.0


@dataclass
class Store:
    """One Lease with the rules of an API server: resourceVersion, 404, 409."""

    lease: dict[str, Any] | None = None
    versions: int = 0

    def put(self, **spec: Any) -> None:
        """Set the Lease by hand."""
        uid = f"uid-{self.versions}" if self.lease is None else self.lease["metadata"]["uid"]
        self.versions += 1
        metadata = {"name": "leader", "uid": uid, "resourceVersion": str(self.versions)}
        self.lease = {"metadata": metadata, "spec": spec}

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec

    def execute(self, method: str, path: str, body: Any) -> dict[str, Any]:
        assert path == (PATH if method == "POST" else f"{PATH}/leader")
        if method == "POST":
            if self.lease is not None:
                raise ConflictError("already exists", where=path, status=409)
            self.put(**body["spec"])
        elif self.lease is None:
            raise NotFoundError("not found", where=path, status=404)
        elif method == "PUT":
            read = body["metadata"]["resourceVersion"]
            if read != self.lease["metadata"]["resourceVersion"]:
                raise ConflictError("the object has been modified", where=path, status=409)
            self.put(**body["spec"])
        return copy.deepcopy(self.lease) or {}


@dataclass
class Wire:
    """One elector's way to the store. Requests meet ``fates`` in order, and then no harm."""

    store: Store
    fates: deque[Fate] = field(default_factory=deque)
    broken: Exception | None = None
    """While set, every request fails with it."""
    asked: list[str] = field(default_factory=list)
    late: set[asyncio.Task[None]] = field(default_factory=set)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,  # noqa: ARG002 - the client's parameters
        body: Any = None,
        timeout: float = 30,  # noqa: ARG002, ASYNC109
    ) -> dict[str, Any]:
        self.asked.append(method)
        if self.broken is not None:
            raise self.broken
        fate = self.fates.popleft() if self.fates else Fate()
        body = copy.deepcopy(body)
        if fate.kind == "late":
            arriving = asyncio.create_task(self._arrive_late(fate, method, path, body))
            self.late.add(arriving)
            await asyncio.sleep(1000)
        await asyncio.sleep(fate.before)
        if fate.kind == "dropped":
            raise TransientError("connection reset", where=path)
        answer: dict[str, Any] | ConflictError | NotFoundError
        try:
            answer = self.store.execute(method, path, body)
        except (ConflictError, NotFoundError) as exc:
            answer = exc
        await asyncio.sleep(fate.after)
        if fate.kind == "lost":
            raise TransientError("connection reset", where=path)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _arrive_late(self, fate: Fate, method: str, path: str, body: Any) -> None:
        await asyncio.sleep(fate.before + fate.after)
        try:
            self.store.execute(method, path, body)
        except (ConflictError, NotFoundError):
            return


@dataclass
class Clock:
    """A machine's clocks: ``rate`` seconds of it pass in one of the loop's."""

    rate: float = 1.0
    began: float = 100.0
    ahead: timedelta = timedelta()

    def monotonic(self) -> float:
        return self.began + self.rate * asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return EPOCH + self.ahead + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.rate)


class World:
    """One store, and a loop of virtual time in which electors meet."""

    def __init__(self) -> None:
        self.store = Store()
        self.loop = VirtualLoop()

    def elector(
        self,
        identity: str,
        *,
        clock: Clock | None = None,
        wire: Wire | None = None,
        timing: Timing | None = None,
    ) -> Elector:
        clock = clock or Clock()
        return Elector(
            wire or Wire(self.store),
            "system",
            "leader",
            identity,
            timing or Timing(),
            monotonic=clock.monotonic,
            now=clock.now,
            sleep=clock.sleep,
            jitter=lambda seconds: seconds,
        )

    def wire(self, *fates: tuple[str, float, float]) -> Wire:
        """Return a wire whose first requests meet these fates: kind, seconds there, and back."""
        return Wire(self.store, deque(Fate(*fate) for fate in fates))

    def clock(self, rate: float = 1.0, *, ahead: timedelta = timedelta()) -> Clock:
        return Clock(rate, ahead=ahead)

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Run a story to its end; each awaits as long as it likes in no time at all."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            return runner.run(story)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def worlds() -> type[World]:
    """Return what makes a world, for properties: each of their examples needs its own."""
    return World
