"""The simulator as a program: until a signal, or beside a command."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence

from discovery.simulator.server import Simulator

_KILLED = 128  # a shell's exit code for a command that a signal ended is 128 + its number
_OTHER_CREDENTIALS = ("TS_API_CLIENT_ID", "TS_API_CLIENT_SECRET")


async def serve(simulator: Simulator, announce: Callable[[Simulator], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` is called once it listens."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with simulator:
        announce(simulator)
        await stopped.wait()


async def run_beside(simulator: Simulator, command: Sequence[str]) -> int:
    """Run a command that finds the simulator in its environment, and return its exit code.

    OSError is raised where the command can not be started. SIGTERM goes on to the command; SIGINT
    does not, since a terminal sends it to both.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before the command exists, so that a signal in between is not lost.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    async with simulator:
        process = await asyncio.create_subprocess_exec(*command, env=_environment(simulator))
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(stopped.wait())
        await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
        if not asked.cancel() and not ended.done():
            process.terminate()
        code = await ended
    return code if code >= 0 else _KILLED - code


def _environment(simulator: Simulator) -> dict[str, str]:
    """Return this process's environment with the simulator in place of any real tailnet."""
    kept = {name: value for name, value in os.environ.items() if name not in _OTHER_CREDENTIALS}
    return kept | {
        "TS_BASE_URL": simulator.url,
        "TS_API_KEY": simulator.state.credentials.api_key,
        "TS_TAILNET": "-",
    }
