"""``replay``: recorded decisions, made again offline."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from discovery.cli import example
from discovery.cli.errors import CommandError, ExitCode
from discovery.cli.output import Table, emit, output_option

if TYPE_CHECKING:
    from discovery.recorder.replaying import Replayed

_TIMES = click.DateTime(("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%S"))


@click.command(
    epilog=example(
        "replay why.tar.gz",
        "replay why.tar.gz default/api --removed web-3",
        "replay out/.recorder --at 2026-11-25T03:12Z -o json",
    )
)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("resource", required=False)
@click.option("--removed", metavar="NAME", help="Decisions that removed this endpoint.")
@click.option(
    "--at",
    type=_TIMES,
    metavar="TIME",
    help="The last decision on each resource until then (UTC, as in 2026-11-25T03:12Z).",
)
@output_option("table", "json", "yaml")
def replay(
    bundle: Path, resource: str | None, removed: str | None, at: datetime | None, output: str
) -> ExitCode:
    """Make recorded decisions again, offline, and say whether the outcome is the same.

    BUNDLE is a file of support-bundle, or the recorder's folder. RESOURCE is [NAMESPACE/]NAME.
    Nothing else is read: no configuration, no cluster, no tailnet.

    \b
    Exit codes:
      0  every decision came out byte for byte as it was recorded
      1  some did not, or their device list is not in the bundle any more
      3  the bundle can not be read
    """  # noqa: D301 - click wants the character itself
    found = _read(bundle)
    if resource is not None:
        found = [one for one in found if resource in (str(one.resource), one.resource.name)]
    if removed is not None:
        found = [one for one in found if any(loss["name"] == removed for loss in one.removed)]
    if at is not None:
        until = at.replace(tzinfo=UTC)
        found = list({one.resource: one for one in found if one.time <= until}.values())
    emit(output, _table(found), [_document(one) for one in found])
    lost = [one for one in found if not one.reproduced]
    for one in lost:
        why = one.problem or f"differs in {', '.join(one.differences[:5])}"
        click.echo(f"not reproduced: {one.resource} at {_spelled(one.time)}: {why}", err=True)
    return ExitCode.FOUND if lost else ExitCode.DONE


def _read(bundle: Path) -> "list[Replayed]":
    from discovery import __version__  # noqa: PLC0415 - not for help
    from discovery.recorder.bundle import BundleError, read  # noqa: PLC0415
    from discovery.recorder.replaying import (  # noqa: PLC0415
        DamagedRecordError,
        ForeignFormatError,
        replay,
    )

    if not bundle.exists():
        advice = "Make one: tailnet-discovery support-bundle."
        raise CommandError("there is no such file or folder", str(bundle), advice)
    try:
        found = replay(read(bundle))
    except BundleError as error:
        advice = "Take a file of support-bundle, or the recorder's folder."
        raise CommandError(str(error), str(bundle), advice) from error
    except DamagedRecordError as error:
        advice = "Take one that nobody has changed."
        raise CommandError("a record is not what was written", str(bundle), advice) from error
    except ForeignFormatError as error:
        advice = "Replay them with that version."
        raise CommandError(f"the records have {error}", str(bundle), advice) from error
    for version in sorted({one.version for one in found} - {__version__}):
        text = f"warning: recorded by {version}, replayed by {__version__}: versions may differ"
        click.echo(text, err=True)
    return found


def _table(found: "Iterable[Replayed]") -> Table:
    headers = ("TIME", "RESOURCE", "REMOVED", "HELD", "CHANGES", "REPRODUCED")
    return Table(headers, [_row(one) for one in found])


def _row(one: "Replayed") -> tuple[str, ...]:
    changes = "not written" if one.failure else str(len(one.changes))
    return (
        _spelled(one.time),
        str(one.resource),
        _grouped(one.removed, "cause"),
        _grouped(one.held, "reason"),
        "observed only" if one.is_observed else changes,
        "yes" if one.reproduced else "NO",
    )


def _grouped(losses: Iterable[Any], by: str) -> str:
    """Return the names of endpoints behind what they have in common."""
    groups: dict[str, list[str]] = {}
    for loss in losses:
        groups.setdefault(loss[by], []).append(loss["name"])
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in sorted(groups.items())) or "-"


def _document(one: "Replayed") -> dict[str, Any]:
    return {
        "time": _spelled(one.time),
        "resource": str(one.resource),
        "version": one.version,
        "removed": list(map(_loss, one.removed)),
        "held": [_loss(loss) | {"waitsFor": loss["reason"]} for loss in one.held],
        "changes": one.changes,
        "observedOnly": one.is_observed,
        "failure": one.failure,
        "evidence": one.evidence,
        "list": one.listed,
        "reproduced": one.reproduced,
        "problem": one.problem,
        "differences": one.differences,
        "outcomes": one.outcomes,
    }


def _loss(loss: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": loss["name"],
        "nodeId": loss.get("node_id", ""),
        "cause": loss["cause"],
        "detail": loss.get("detail", ""),
    }


def _spelled(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
