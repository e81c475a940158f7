"""``init``: look at a tailnet, and write down a first configuration and a first resource."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import CommandError, ExitCode
from discovery.cli.output import Table, as_yaml, show
from discovery.cli.progress import reading

if TYPE_CHECKING:
    from discovery.cli.passes import Outcome
    from discovery.settings import Settings
    from discovery.source import Source
    from discovery.tailnet import DeviceList
    from tagselectors import TagGrammar, TagSelector

CONFIG_FILE = "tailnet-discovery.yaml"
RESOURCE_FILE = "first-resource.yaml"


@click.command(epilog=example("init --out my-tailnet/"))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Folder for the two files.  [default: the current one]",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@options.tailnet
@options.inventories
@pass_frame
def init(
    frame: Frame, out: Path, tailnet: str | None, inventories: Sequence[Path], *, force: bool
) -> None:
    """Look at a tailnet, propose a configuration and a first resource.

    Reads the devices once. Prints every tag with its count, how it reads as key and value and where
    that is ambiguous, writes tailnet-discovery.yaml (with tagKeys that settle it) and
    first-resource.yaml (which selects something today), and shows what the resource would do.
    """
    asyncio.run(_init(frame, out, tailnet, inventories, force=force))


async def _init(
    frame: Frame, out: Path, tailnet: str | None, inventories: Sequence[Path], *, force: bool
) -> None:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.plan import show_plan  # noqa: PLC0415
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    files = [out / CONFIG_FILE, out / RESOURCE_FILE]
    there = [str(file) for file in files if file.exists()]
    if there and not force:
        raise CommandError("there is one already", ", ".join(there), "Use --force to replace it.")
    if not inventories:
        tailnet = settings.tailnet_named(tailnet).name or None
    async with open_sources(settings, inventories, tailnet) as sources:
        source = next(iter(sources))
        with reading(source.policy.tailnet):
            await source.poll(datetime.now(UTC))
        if source.error is not None:
            raise source.error
        if source.outage is not None:
            raise CommandError(
                source.outage.doubt.message,
                source.policy.tailnet,
                "Nothing was written.",
                exit_code=ExitCode.UNREACHABLE,
            )
    grammar, requirement = _propose(source, files)
    click.echo(f"\nWrote {files[0]} and {files[1]}, which selects {requirement}:\n")
    show_plan(await _plan_of(files[1], settings, source, grammar), "table")


def _propose(source: "Source", files: Sequence[Path]) -> "tuple[TagGrammar, TagSelector]":
    """Show the tags and write the two files; return what they declare and select."""
    from discovery.plan.vocabulary import most_useful, propose_keys, tag_uses  # noqa: PLC0415
    from discovery.stores.files import replace_all  # noqa: PLC0415
    from tagselectors import TagGrammar  # noqa: PLC0415

    selection, name = source.selection, source.policy.tailnet
    if not name:
        advice = "Name the tailnet in a configuration file, and give that with --config."
        raise CommandError("the devices' names tell no tailnet", "the device list", advice)
    eligible = [d for n, d in selection.devices.items() if n not in selection.excluded]
    tags = {tag for device in eligible for tag in device.tags}
    grammar = TagGrammar(source.policy.grammar.declared_keys or propose_keys(tags))
    rows = []
    for use, plain in zip(
        tag_uses(eligible, grammar), tag_uses(eligible, TagGrammar()), strict=True
    ):
        note = f"ambiguous without tagKeys: also {plain.key}={plain.value}"
        doubtful = plain.ambiguous and (use.key, use.value) != (plain.key, plain.value)
        rows.append((use.tag, str(use.count), use.key, use.value or "-", note if doubtful else "-"))
    show(Table(("TAG", "DEVICES", "KEY", "VALUE", "NOTE"), rows))
    requirement = most_useful(eligible, grammar)
    if requirement is None:
        raise CommandError("no eligible device has a tag", name, "Tag one, then run init again.")
    config = {"tailnets": [{"name": name, "tagKeys": sorted(grammar.declared_keys)}]}
    replace_all(
        {
            files[0]: as_yaml(config).encode(),
            files[1]: as_yaml(_resource(name, requirement)).encode(),
        }
    )
    return grammar, requirement


def _resource(tailnet: str, requirement: "TagSelector") -> dict[str, Any]:
    check = {"enabled": True, "type": "TCP"}
    return {
        "apiVersion": "gateway.tailscale.com/v1alpha1",
        "kind": "TailscaleEndpoints",
        "metadata": {"name": "first", "namespace": "default"},
        "spec": {
            "tailnet": tailnet,
            "tagSelectors": [
                {
                    "key": requirement.key,
                    "operator": str(requirement.operator),
                    "values": list(requirement.values),
                }
            ],
            "discovery": {
                "ports": [{"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": check}]
            },
        },
    }


@dataclass(frozen=True, slots=True)
class _Listed:
    """The list that was read already."""

    listed: "DeviceList"

    async def devices(self, previous: "DeviceList | None" = None) -> "DeviceList":
        """Return the list."""
        del previous
        return self.listed


async def _plan_of(
    file: Path, settings: "Settings", read: "Source", grammar: "TagGrammar"
) -> "Outcome":
    """Plan the resource as the configuration that was written will have it."""
    from discovery.cli.passes import plan_all  # noqa: PLC0415
    from discovery.cli.standalone import open_store  # noqa: PLC0415
    from discovery.planner import Planner, Sources  # noqa: PLC0415
    from discovery.source import Source  # noqa: PLC0415
    from discovery.tailnet import DeviceList  # noqa: PLC0415

    policy = replace(read.policy, grammar=grammar)
    listed = read.listed or DeviceList((), (), "")
    sources = Sources([Source(policy, _Listed(listed), read.interval)])
    store = open_store([file], None)
    planner = Planner(sources, settings.instance, settings.mode)
    return await plan_all(store, planner, datetime.now(UTC))
