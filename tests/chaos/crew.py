"""The two controllers of a chaos run as the driver sees them: processes that lead, wait or die."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from tests.chaos.worker import Role
from tests.security.transcripts import note

ROOT: Final = Path(__file__).parents[2]
ANSWERS_WITHIN: Final = 60.0  # seconds; an answer needs less than a pass may take
LEADS_WITHIN: Final = 60.0  # seconds until one of two leads, with an API server that answers


class StuckError(Exception):
    """A worker that lives does not do what it was told, or none comes to lead."""


class Worker:
    """One process. ``led_since`` is when it said that it leads, in monotonic seconds."""

    def __init__(self, process: asyncio.subprocess.Process, role: Role, slot: int) -> None:
        self.role = role
        self.slot = slot
        self.frozen = False
        self.led_since: float | None = None
        self.seen: dict[str, int] = {}
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.reading = asyncio.create_task(self._read())

    @property
    def leads(self) -> bool:
        return self.led_since is not None and self.lives and not self.frozen

    @property
    def lives(self) -> bool:
        return not self.reading.done()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def poll(self, at: datetime) -> dict[str, Any] | None:
        """Let it poll; return what it says when it is done, None where it died or was frozen."""
        assert self._process.stdin
        with suppress(ConnectionError):
            self._process.stdin.write(json.dumps({"poll": at.isoformat()}).encode() + b"\n")
            await self._process.stdin.drain()
        try:
            done = await asyncio.wait_for(self._done.get(), ANSWERS_WITHIN)
        except TimeoutError:
            raise StuckError(f"{self.role.identity} did not end its poll at {at}") from None
        if done is not None:
            self.seen = done["seen"]
        return done

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    def freeze(self) -> None:
        """Let it stand still, as a machine that is paused does: it will not lead again.

        It may be called from another thread than the driver's.
        """
        self.frozen = True
        self.send(signal.SIGSTOP)
        self._loop.call_soon_threadsafe(self._done.put_nowait, None)

    async def end(self) -> None:
        self.send(signal.SIGKILL)
        await self.reading

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            message = json.loads(line)
            if "leads" in message:
                self.led_since = monotonic()
            else:
                self._done.put_nowait(message)
        await self._process.wait()
        self._done.put_nowait(None)


class Crew:
    """Keeps two workers alive. ``role`` says who the n-th worker is, started in this slot."""

    def __init__(self, folder: Path, role: Callable[[int, int], Role]) -> None:
        self.started = 0
        self.workers: list[Worker] = []
        self._folder = folder
        self._role = role
        self._news = asyncio.Event()

    async def fill(self) -> None:
        """Start a worker in each slot that has none alive."""
        self.workers = [one for one in self.workers if one.lives]
        for slot in {0, 1} - {one.slot for one in self.workers}:
            self.workers.append(await self._start(slot))

    async def leader(self, within: float = LEADS_WITHIN) -> Worker:
        """Return who leads, after waiting so many seconds for that."""
        end = monotonic() + within
        while monotonic() < end:
            await self.fill()
            leading = [one for one in self.workers if one.leads]
            if leading:
                return max(leading, key=lambda one: one.led_since or 0)
            await asyncio.sleep(0.05)  # processes tell of nothing when they die
        raise StuckError(f"nobody came to lead within {within:g} s")

    def others(self, leader: Worker) -> list[Worker]:
        """Return the workers that do not lead."""
        return [one for one in self.workers if one is not leader and one.lives]

    async def end(self) -> None:
        for worker in self.workers:
            await worker.end()
        for path in sorted(self._folder.glob("*.log")):
            note("output", await asyncio.to_thread(path.read_text, errors="replace"))

    async def _start(self, slot: int) -> Worker:
        self.started += 1
        role = self._role(self.started, slot)
        with (self._folder / f"{role.identity}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.chaos.worker",
                json.dumps(asdict(role)),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        return Worker(process, role, slot)
