"""``sync``: one pass, then exit."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import ExitCode
from discovery.cli.where import Where

if TYPE_CHECKING:
    from discovery.cli.passes import Outcome
    from discovery.planner import Sources


@click.command(epilog=example("sync", "sync --standalone manifests/ --out out/"))
@options.cluster
@options.standalone
@options.out
@options.inventories
@pass_frame
def sync(
    frame: Frame,
    where: Where,
    manifests: Path | None,
    out: Path | None,
    inventories: Sequence[Path],
) -> ExitCode:
    """Make one pass, then exit.

    Reads every tailnet once, plans every resource, and writes what changed: Services,
    EndpointSlices and status, in the cluster, or with --standalone as YAML in OUT/NAMESPACE/NAME/,
    where all files change together or none does. In a cluster it takes the controller's Lease, so
    that the two never write at one time.

    \b
    Exit codes:
      0  done, or skipped since another process writes there
      3  manifests, configuration or the output folder can not be used; nothing was written
      4  credentials refused, or a right is missing
      5  control plane or cluster not reachable, or a list not to be believed
      6  partly done
    """  # noqa: D301 - click wants the character itself
    folders = options.folders(manifests, out, where)
    if folders is None:
        return asyncio.run(_sync_in_cluster(frame, where, inventories))
    return asyncio.run(_sync(frame, *folders, inventories))


async def _sync_in_cluster(frame: Frame, where: Where, inventories: Sequence[Path]) -> ExitCode:
    from discovery.cli.cluster import sync_in_cluster  # noqa: PLC0415 - not for help
    from discovery.cli.logs import configure  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    made = await sync_in_cluster(settings, where, inventories)
    if isinstance(made, str):
        click.echo(f"skipped: {made} holds the Lease", err=True)
        return ExitCode.DONE
    outcome, sources = made
    _show(outcome, sources, "the cluster")
    return outcome.exit_code()


async def _sync(frame: Frame, manifests: Path, out: Path, inventories: Sequence[Path]) -> ExitCode:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.passes import sync_all  # noqa: PLC0415
    from discovery.cli.recording import open_recorder  # noqa: PLC0415
    from discovery.cli.standalone import open_store  # noqa: PLC0415
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415
    from discovery.planner import Planner  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    store = open_store([manifests], out)
    async with (
        open_sources(settings, inventories) as sources,
        open_recorder(settings, out) as recorder,
    ):
        lock = store.lock()
        if lock is None:
            click.echo(f"skipped: another process writes to {out}", err=True)
            return ExitCode.DONE
        with lock:
            planner = Planner(sources, settings.instance, settings.mode, recorder)
            outcome = await sync_all(store, planner, datetime.now(UTC))
        _show(outcome, sources, str(out))
    return outcome.exit_code()


def _show(outcome: "Outcome", sources: "Sources", place: str) -> None:
    from discovery.cli.endpoint_table import endpoint_table  # noqa: PLC0415 - not for help
    from discovery.cli.output import show  # noqa: PLC0415
    from tagselectors import TagGrammar  # noqa: PLC0415

    outcome.say_problems()
    if not outcome.passes and not outcome.removals:
        return
    pairs = []
    for made in outcome.passes:
        source = sources.of(made.resource.spec.tailnet)
        pairs.append((made, source.policy.grammar if source else TagGrammar()))
    show(endpoint_table(pairs))
    endpoints = sum(len(made.resolution.endpoints) for made in outcome.passes)
    written = sum(len(made.changes) for made in outcome.passes if made.writes)
    written += len(outcome.removals)
    click.echo(
        f"{_counted(len(outcome.passes), 'resource')}, {_counted(endpoints, 'endpoint')}; "
        f"{_counted(written, 'change')} of Services and EndpointSlices in {place}",
        err=True,
    )
    for made in outcome.passes:
        if made.decision.held:
            click.echo(f"{made.resource.key}: {made.observed.blocked}", err=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
