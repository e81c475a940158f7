"""``tailnet-discovery`` as it is, with two additions for who measures it.

SIGUSR1 makes the resync that it otherwise makes each ten minutes, and at its end the last line on
stderr says in JSON what it took: ``cpu`` in seconds, ``peak`` in MiB.
"""

import asyncio
import atexit
import json
import signal
import sys
import time

from benchmarks.cluster.usage import peak
from discovery.__main__ import main
from discovery.manager import Manager

_run = Manager.run


async def _resynced_at_will(manager: Manager, stop: asyncio.Event) -> None:
    def resync() -> None:
        beginning.append(asyncio.ensure_future(manager.resync()))

    beginning: list[asyncio.Future[None]] = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, resync)
    await _run(manager, stop)


@atexit.register
def _tell() -> None:
    print(json.dumps({"cpu": time.process_time(), "peak": peak()}), file=sys.stderr)


if __name__ == "__main__":
    Manager.run = _resynced_at_will  # type: ignore[method-assign, assignment]
    main()
