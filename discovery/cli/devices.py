"""``devices``: what the tailnet has, and what counts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.output import Table, emit, output_option, write
from discovery.cli.progress import reading

if TYPE_CHECKING:
    from discovery.plan.gate import Exclusion
    from discovery.source import Source
    from discovery.tailnet import Device
    from tagselectors import Selector


@click.command(
    epilog=example("devices", "devices -l 'env=production,tier in (web,api),!canary' -o wide")
)
@click.option(
    "-l",
    "--selector",
    metavar="SELECTOR",
    help="Only devices whose tags match, in kubectl's syntax: env=production, env!=dev, "
    "'tier in (web,api)', 'env notin (dev)', gpu, !gpu, gpu= (the bare tag).",
)
@options.tailnet
@options.inventories
@output_option("table", "wide", "json", "yaml", "name")
@pass_frame
def devices(
    frame: Frame,
    selector: str | None,
    tailnet: str | None,
    inventories: Sequence[Path],
    output: str,
) -> None:
    """List the tailnet's devices, their tags and what excludes them.

    A tag reads as key and value: tag:env-production is the key env with the value production. With
    OAuth, the scope devices:core:read is enough. Nothing is written anywhere.
    """
    from tagselectors import SelectorSyntaxError, parse_selector  # noqa: PLC0415 - not for help

    try:
        wanted = None if selector is None else parse_selector(selector)
    except SelectorSyntaxError as error:
        raise click.BadParameter(str(error), param_hint="-l") from error
    listings = asyncio.run(_read(frame, tailnet, inventories))
    for listing in listings:
        _show(listing, wanted, output)


@dataclass(frozen=True, slots=True)
class _Listing:
    source: "Source"
    fetched_at: datetime


async def _read(frame: Frame, tailnet: str | None, inventories: Sequence[Path]) -> list[_Listing]:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    if not inventories:
        tailnet = settings.tailnet_named(tailnet).name or None
    listings = []
    async with open_sources(settings, inventories, tailnet) as sources:
        for source in sources:
            now = datetime.now(UTC)
            named = source.policy.tailnet
            with reading(named):
                await source.poll(now)
            if source.error is not None:
                raise source.error
            if source.policy.tailnet != named:
                click.echo(f"tailnet: {source.policy.tailnet} (from the names)", err=True)
            if source.outage is not None:
                click.echo(f"warning: {source.outage.doubt.message}", err=True)
            listings.append(_Listing(source, now))
    return listings


def _show(listing: _Listing, wanted: "Selector | None", form: str) -> None:
    from discovery.cli.passes import unread_devices  # noqa: PLC0415 - not for help
    from discovery.plan.gate import exclusion  # noqa: PLC0415

    policy = listing.source.policy
    listed = listing.source.listed
    found = sorted(listed.devices if listed else (), key=lambda d: (d.label, d.node_id))
    for line in unread_devices(listing.source):
        click.echo(f"warning: {line}", err=True)
    rows = [
        (device, exclusion(device, policy.denied, listing.fetched_at))
        for device in found
        if wanted is None or wanted.matches(device.tags, policy.grammar)
    ]
    if form == "name":
        write("".join(f"{device.label or device.node_id}\n" for device, _ in rows))
        return
    document = {
        "tailnet": policy.tailnet,
        "fetchedAt": listing.fetched_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "devices": [_entry(device, reason) for device, reason in rows],
    }
    emit("table" if form == "wide" else form, _table(rows, wide=form == "wide"), document)


def _entry(device: "Device", reason: "Exclusion | None") -> dict[str, Any]:
    return {
        "nodeId": device.node_id,
        "name": device.label,
        "fqdn": device.name,
        "addresses": list(device.addresses),
        "tags": list(device.tags),
        "eligible": reason is None,
        "excludedBy": None if reason is None else str(reason),
        "matches": True,
    }


def _table(rows: Sequence[tuple["Device", "Exclusion | None"]], *, wide: bool) -> Table:
    headers = ["NAME", "ADDRESS", "TAGS", "ELIGIBLE", "EXCLUDED BY"]
    lines = []
    for device, reason in rows:
        line = [
            device.label or device.node_id,
            device.addresses[0] if device.addresses else "-",
            ",".join(device.tags) or "-",
            "yes" if reason is None else "no",
            str(reason or "-"),
        ]
        if wide:
            online = {True: "yes", False: "no", None: "unknown"}[device.connected_to_control]
            line += [device.name, device.node_id, online, ",".join(device.addresses[1:]) or "-"]
        lines.append(line)
    return Table(
        [*headers, "FQDN", "NODE ID", "ONLINE", "MORE ADDRESSES"] if wide else headers, lines
    )
