"""``run``: the controller."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import CommandError


@click.command(epilog=example("run --standalone manifests/ --out out/"))
@options.standalone
@options.out
@options.inventories
@pass_frame
def run(frame: Frame, manifests: Path, out: Path, inventories: Sequence[Path]) -> None:
    """Run the controller.

    Polls every tailnet at its interval, follows edits of the manifests, and rewrites the files in
    OUT/NAMESPACE/NAME/ whose content changed. Log lines go to stderr. SIGTERM and Ctrl-C end it in
    order; what was last written stays.
    """
    asyncio.run(_run(frame, manifests, out, inventories))


async def _run(frame: Frame, manifests: Path, out: Path, inventories: Sequence[Path]) -> None:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.passes import remember_nodes  # noqa: PLC0415
    from discovery.cli.standalone import open_store  # noqa: PLC0415
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415
    from discovery.manager import Manager  # noqa: PLC0415
    from discovery.planner import Planner  # noqa: PLC0415
    from discovery.reconciler import Reconciler  # noqa: PLC0415

    settings = frame.settings()
    configure(settings.logging.level, settings.logging.format)
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    store = open_store([manifests], out)
    async with open_sources(settings, inventories) as sources:
        lock = store.lock()
        if lock is None:
            raise CommandError("another process writes there", str(out), "End it, or choose --out.")
        with lock:
            await remember_nodes(store, sources)
            planner = Planner(sources, settings.instance, settings.mode)
            reconciler = Reconciler(store, planner)
            await Manager(store, sources, reconciler).run(stop)
