"""``approve``: let a removal go that waits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import CommandError
from discovery.cli.output import Table, show
from discovery.cli.where import Where

if TYPE_CHECKING:
    from discovery.v1alpha1 import Key
    from discovery.v1alpha1_status import RemovalStatus, TailscaleEndpointsStatus

FIELD_MANAGER: Final = "tailnet-discovery-approve"
"""Whose field an approval is in a cluster: the controller's own would be for it to take away."""


@click.command(
    epilog=example(
        "approve api", "approve production/api --plan 3f9a41c07be2", "approve api --out out/"
    )
)
@click.argument("resource", metavar="[NAMESPACE/]NAME")
@options.cluster
@click.option("--plan", metavar="HASH", help="Approve this plan and no other.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Without a cluster: the folder that sync --standalone writes to.",
)
@pass_frame
def approve(frame: Frame, where: Where, resource: str, plan: str | None, out: Path | None) -> None:
    """Let a removal go that waits (condition RemovalBlocked).

    Shows which endpoints go and why, and writes the name of their plan into the resource's
    annotation gateway.tailscale.com/approve-removal. It is for these endpoints, or for fewer of
    them: once others are to go too, the plan has another name, and waits again. In a cluster it
    takes the right to patch tailscaleendpoints.

    \b
    Exit codes:
      0  approved
      3  there is no such resource, nothing waits there, or it is another plan by now
      4  a right is missing
      5  the cluster can not be reached
    """  # noqa: D301 - click wants the character itself
    if out is not None and where.is_named:
        raise click.UsageError("--out has no cluster, context or namespace.")
    if where.all_namespaces:
        raise click.UsageError("An approval is for one resource: name it as NAMESPACE/NAME.")
    asyncio.run(_approve(frame, where, resource, plan, out))


@dataclass(frozen=True, slots=True)
class _Found:
    """A resource as it was found; ``write`` gives it an approval; ``after`` says what follows."""

    key: "Key"
    status: "TailscaleEndpointsStatus | None"
    write: Callable[[str], Awaitable[None]]
    after: str


async def _approve(
    frame: Frame, where: Where, resource: str, plan: str | None, out: Path | None
) -> None:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help

    configure("error", frame.settings().logging.format)
    place = _in_cluster(where, resource) if out is None else _in_folder(resource, out)
    async with place as found:
        removal = _waiting(found, plan)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # The time makes a second approval of the same plan another one: the first is used up.
        await found.write(f"{removal.plan}/{now}")
    headers = ("ENDPOINT", "NODE ID", "SINCE", "WHY")
    show(Table(headers, sorted(_rows(removal, found.status))))
    endpoints = "1 endpoint" if removal.total == 1 else f"{removal.total} endpoints"
    click.echo(f"\nApproved: plan {removal.plan} of {found.key}, {endpoints}. {found.after}")


@asynccontextmanager
async def _in_cluster(where: Where, resource: str) -> AsyncIterator[_Found]:
    """Give the resource as the cluster has it."""
    from discovery.clients.errors import ConflictError, NotFoundError  # noqa: PLC0415 - not for help
    from discovery.clients.kube.connect import connect  # noqa: PLC0415
    from discovery.clients.kube.resources import TAILSCALE_ENDPOINTS  # noqa: PLC0415
    from discovery.plan.guard import APPROVAL_ANNOTATION  # noqa: PLC0415
    from discovery.stores.cluster_objects import read_resource  # noqa: PLC0415
    from discovery.v1alpha1 import Key  # noqa: PLC0415

    async with connect(where.kubeconfig, where.context) as client:
        namespace, _, name = resource.rpartition("/")
        key = Key(namespace or where.namespace or client.namespace, name)
        try:
            obj = await client.get(TAILSCALE_ENDPOINTS, key.namespace, key.name)
        except NotFoundError as error:
            advice = "`kubectl get tse -A` names every one."
            raise CommandError(f"there is no resource {key}", client.server, advice) from error

        async def write(approval: str) -> None:
            # The uid is the precondition: a resource of the same name may be another by now. The
            # version is none, since the controller writes the status meanwhile.
            metadata = {
                "uid": obj["metadata"]["uid"],
                "annotations": {APPROVAL_ANNOTATION: approval},
            }
            try:
                await client.request(
                    "PATCH",
                    TAILSCALE_ENDPOINTS.path(key.namespace, key.name),
                    query={"fieldManager": FIELD_MANAGER},
                    body={"metadata": metadata},
                    content_type="application/merge-patch+json",
                )
            except (ConflictError, NotFoundError) as error:
                what = f"{key} is gone, or is another resource by now"
                raise CommandError(what, client.server, "Nothing was approved.") from error

        after = "The controller removes them within seconds; a scheduled run does when it runs."
        yield _Found(key, read_resource(obj).status, write, after)


@asynccontextmanager
async def _in_folder(resource: str, out: Path) -> AsyncIterator[_Found]:
    """Give the resource as the last pass over a folder left it."""
    from discovery.plan.guard import APPROVAL_ANNOTATION  # noqa: PLC0415 - not for help
    from discovery.stores.directory import DirectoryStore  # noqa: PLC0415

    store = DirectoryStore((), out)
    known = {key: last for key in sorted(store.keys()) if (last := store.last(key)) is not None}
    keys = [key for key in known if resource in {str(key), key.name}]
    if len(keys) != 1:
        what = "several resources are" if keys else "there is no resource"
        there = f"{out} holds {', '.join(map(str, known)) or 'none'}"
        raise CommandError(f"{what} named {resource}", there, "Name it as NAMESPACE/NAME.")
    (key,) = keys

    async def write(approval: str) -> None:
        lock = store.lock()
        if lock is None:
            plan = approval.partition("/")[0]
            advice = f'Write {APPROVAL_ANNOTATION}: "{plan}" into the annotations of its manifest.'
            raise CommandError("another process writes there", str(out), advice)
        with lock:
            await store.approve(key, approval)

    yield _Found(key, known[key].status, write, "The next pass removes them.")


def _waiting(found: _Found, plan: str | None) -> "RemovalStatus":
    """Return what waits for removal; it must be something, and the plan that was asked for."""
    removal = found.status.removal if found.status else None
    if removal is None or not (removal.plan and removal.total):
        advice = "`tailnet-discovery plan` shows what would go, and what waits."
        raise CommandError("no removal waits there", str(found.key), advice)
    if plan not in {None, removal.plan}:
        what = f"plan {plan} is not the one that waits, which is {removal.plan} by now"
        advice = "Look again: `tailnet-discovery plan` shows what would go."
        raise CommandError(what, str(found.key), advice)
    return removal


def _rows(
    removal: "RemovalStatus", status: "TailscaleEndpointsStatus | None"
) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each device whose endpoint goes; status names the first endpoints only."""
    from discovery.plan.losses import MEANINGS, RemovalCause  # noqa: PLC0415 - not for help
    from discovery.plan.trust import spelled  # noqa: PLC0415

    names = {entry.node_id: entry.name for entry in (status.endpoints if status else ())}
    for batch in removal.waiting:
        for node in batch.nodes:
            meaning = MEANINGS[RemovalCause(batch.cause)]
            yield names.get(node, "-"), node, spelled(batch.since), meaning
