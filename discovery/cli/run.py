"""``run``: the controller."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import CommandError
from discovery.cli.where import Where


@click.command(epilog=example("run", "run --standalone manifests/ --out out/"))
@options.cluster
@options.standalone
@options.out
@options.inventories
@pass_frame
def run(
    frame: Frame,
    where: Where,
    manifests: Path | None,
    out: Path | None,
    inventories: Sequence[Path],
) -> None:
    """Run the controller.

    Watches the cluster of the kubeconfig, or the one that it is a pod of, in one namespace (-n) or
    in all, and polls every tailnet at its interval. Of several replicas the one that holds the
    Lease writes. With --standalone it follows a folder of manifests instead and rewrites the files
    in OUT/NAMESPACE/NAME/ whose content changed.

    Log lines go to stderr. SIGTERM and Ctrl-C end it in order; what was last written stays.
    """
    folders = options.folders(manifests, out, where)
    if folders is None:
        asyncio.run(_run_in_cluster(frame, where, inventories))
    else:
        asyncio.run(_run(frame, *folders, inventories))


async def _run_in_cluster(frame: Frame, where: Where, inventories: Sequence[Path]) -> None:
    from discovery.cli.cluster import run_in_cluster  # noqa: PLC0415 - not for help
    from discovery.cli.logs import configure  # noqa: PLC0415

    settings = frame.settings()
    configure(settings.logging.level, settings.logging.format)
    await run_in_cluster(settings, where, inventories)


async def _run(frame: Frame, manifests: Path, out: Path, inventories: Sequence[Path]) -> None:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.recording import open_recorder  # noqa: PLC0415
    from discovery.cli.standalone import open_store  # noqa: PLC0415
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415
    from discovery.manager import Manager  # noqa: PLC0415
    from discovery.planner import Planner, remember  # noqa: PLC0415
    from discovery.reconciler import Reconciler  # noqa: PLC0415

    settings = frame.settings()
    configure(settings.logging.level, settings.logging.format)
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    store = open_store([manifests], out)
    async with (
        open_sources(settings, inventories) as sources,
        open_recorder(settings, out) as recorder,
    ):
        lock = store.lock()
        if lock is None:
            raise CommandError("another process writes there", str(out), "End it, or choose --out.")
        with lock:
            await remember(store, sources)
            planner = Planner(sources, settings.instance, settings.mode, recorder)
            await Manager(store, sources, Reconciler(store, planner)).run(stop)
