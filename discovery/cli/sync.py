"""``sync``: one pass, then exit."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import ExitCode

if TYPE_CHECKING:
    from discovery.cli.passes import Outcome
    from discovery.planner import Sources

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(epilog=example("sync --standalone manifests/ --out out/"))
@options.standalone
@options.out
@options.inventories
@pass_frame
def sync(frame: Frame, manifests: Path, out: Path, inventories: Sequence[Path]) -> ExitCode:
    r"""Make one pass, then exit.

    Reads every tailnet once, plans every resource, and writes what changed: Service, EndpointSlices
    and status, as YAML in OUT/NAMESPACE/NAME/. All files change together or none does.

    \b
    Exit codes:
      0  done, or skipped since another process writes to OUT
      3  manifests, configuration or the output folder can not be used; nothing was written
      4  credentials refused
      5  control plane not reachable, or its list not to be believed
      6  partly done
    """
    return asyncio.run(_sync(frame, manifests, out, inventories))


async def _sync(frame: Frame, manifests: Path, out: Path, inventories: Sequence[Path]) -> ExitCode:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.passes import sync_all  # noqa: PLC0415
    from discovery.cli.standalone import open_store  # noqa: PLC0415
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415
    from discovery.planner import Planner  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    store = open_store([manifests], out)
    async with open_sources(settings, inventories) as sources:
        lock = store.lock()
        if lock is None:
            click.echo(f"skipped: another process writes to {out}", err=True)
            return ExitCode.DONE
        with lock:
            planner = Planner(sources, settings.instance, settings.mode)
            outcome = await sync_all(store, planner, datetime.now(UTC))
        _show(outcome, sources, out)
    return outcome.exit_code()


def _show(outcome: "Outcome", sources: "Sources", out: Path) -> None:
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
        f"{_counted(written, 'change')} of Services and EndpointSlices in {out}",
        err=True,
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
