"""``explain``: why a device is, or is not, an endpoint."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import CommandError, ExitCode
from discovery.cli.output import Table, show, write
from discovery.cli.where import Where

if TYPE_CHECKING:
    from discovery.plan.endpoints import Endpoint
    from discovery.plan.passes import Pass
    from discovery.source import Source
    from discovery.stores import Store
    from discovery.tailnet import Device
    from discovery.v1alpha1 import Key, TailscaleEndpoints

_UNREADABLE: Final = "its entry in the device list can not be read"


@click.command(
    epilog=example("explain api", "explain production/api api-1", "explain api -f my-resource.yaml")
)
@click.argument("resource", metavar="[NAMESPACE/]NAME")
@click.argument("device", required=False)
@options.cluster
@options.some_manifests
@options.current_state
@options.inventories
@pass_frame
def explain(  # noqa: PLR0913, PLR0917 - one per option
    frame: Frame,
    where: Where,
    resource: str,
    device: str | None,
    manifests: Sequence[Path],
    out: Path | None,
    inventories: Sequence[Path],
) -> None:
    """Say why a device is, or is not, an endpoint.

    With DEVICE (its name, full name, node ID or an address): every requirement and the tag that
    decided it, the gate, the port rule, and what its removal waits for, also where the device is in
    no list any more. Without: one line for each device of the tailnet.

    The resource is the cluster's, or with -f a manifest's.
    """
    options.check_state(manifests, out, where)
    asked = _Asked(resource, device, where, manifests, out, inventories)
    text = asyncio.run(_explain(frame, asked))
    if isinstance(text, str):
        write(text)
    else:
        show(text)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line said."""

    resource: str
    device: str | None
    where: Where
    manifests: Sequence[Path]
    out: Path | None
    inventories: Sequence[Path]

    def view(self) -> Where:
        """Return where to look: a namespace before the name wins."""
        namespace, slash, _ = self.resource.rpartition("/")
        return replace(self.where, namespace=namespace) if slash else self.where


async def _explain(frame: Frame, asked: _Asked) -> str | Table:
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.passes import failure_to_read, poll_all  # noqa: PLC0415
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415
    from discovery.cli.view import open_view  # noqa: PLC0415
    from discovery.planner import Planner  # noqa: PLC0415
    from discovery.tailnet import Device  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    where = asked.where if asked.manifests else asked.view()
    async with (
        open_view(settings, where, asked.manifests, asked.out) as store,
        open_sources(settings, asked.inventories) as sources,
    ):
        key, resource = _resource(asked, store)
        planner = Planner(sources, settings.instance, settings.mode)
        await poll_all(store, planner, datetime.now(UTC))
        source = sources.of(resource.spec.tailnet)
        if source is None or source.snapshot is None:
            missing = f"tailnet {resource.spec.tailnet} is not configured", ExitCode.CONFIGURATION
            what, code = (failure_to_read(source) if source else None) or missing
            advice = "Without its device list nothing can be explained."
            raise CommandError(what, str(key), advice, exit_code=code)
        made = await planner.decide(resource, await store.children(key), datetime.now(UTC))
        if asked.device is not None:
            found = _find(asked.device, made, source)
            lines = (
                _one(made, source, found) if isinstance(found, Device) else _one_kept(made, found)
            )
            return "".join(f"{line}\n" for line in lines)
        rows = [_row(made, source, d) for d in sorted(source.snapshot.devices, key=_by_name)]
        rows += [(e.name, e.node_id, e.name, _why_kept(made, e)) for e in _kept(made, source)]
        return Table(("DEVICE", "NODE ID", "ENDPOINT", "WHY"), rows)


def _resource(asked: _Asked, store: "Store") -> tuple["Key", "TailscaleEndpoints"]:
    """Return the one resource that is meant, which must be readable."""
    from discovery.v1alpha1 import TailscaleEndpoints  # noqa: PLC0415 - not for help

    wanted, known = asked.resource, sorted(store.keys())
    keys = [key for key in known if wanted in {str(key), key.name}]
    place = "the manifests hold" if asked.manifests else "the cluster holds"
    if len(keys) != 1:
        what = f"several resources are named {wanted}" if keys else f"there is no resource {wanted}"
        there = f"{place} {', '.join(map(str, known)) or 'none'}"
        raise CommandError(what, there, "Name it as NAMESPACE/NAME.")
    resource = store.get(keys[0])
    if resource is None:
        raise CommandError(f"{keys[0]} has no manifest", str(asked.out), "Name a folder with it.")
    if not isinstance(resource, TailscaleEndpoints):
        advice = "Correct it; until then its endpoints stay as they are."
        raise CommandError(resource.problem, str(keys[0]), advice)
    return keys[0], resource


def _find(wanted: str, made: "Pass", source: "Source") -> "Device | Endpoint":
    """Return what is listed under that name, or kept although no list has it any more."""
    text = wanted.lower()
    listed = source.snapshot.devices if source.snapshot else ()
    found: list[Device | Endpoint] = [
        d for d in listed if text in {d.label, d.name, d.node_id.lower(), *d.addresses}
    ]
    found += [
        e
        for e in _kept(made, source)
        if text in {e.name, e.node_id.lower(), *map(str, e.addresses)}
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(one.node_id for one in found)
        raise CommandError(
            f"several devices are {wanted}", source.policy.tailnet, f"Name one: {ids}"
        )
    advice = "Absent from the list: `devices` shows every device there is."
    raise CommandError(f"there is no device {wanted}", source.policy.tailnet, advice)


def _kept(made: "Pass", source: "Source") -> list["Endpoint"]:
    """Return the endpoints that stay although the list has no such device."""
    listed = source.selection.devices
    return [e for e in made.resolution.endpoints if e.held and e.node_id not in listed]


def _by_name(device: "Device") -> tuple[str, str]:
    return device.label, device.node_id


def _row(made: "Pass", source: "Source", device: "Device") -> tuple[str, str, str, str]:
    endpoint = next((e for e in made.resolution.endpoints if e.node_id == device.node_id), None)
    name = endpoint.name if endpoint else "-"
    is_static = endpoint is not None and endpoint.source == "Static"
    why = "static: in spec.endpoints" if is_static else _short(made, source, device)
    held = [hold for loss, hold in made.decision.held.items() if loss.node_id == device.node_id]
    why = f"held, {held[0]}: {why}" if held else why
    return device.label or device.node_id, device.node_id, name, why


def _short(made: "Pass", source: "Source", device: "Device") -> str:
    from discovery.plan.gate import EXPLANATIONS  # noqa: PLC0415 - not for help

    if (reason := source.selection.excluded.get(device.node_id)) is not None:
        return f"{reason}: {EXPLANATIONS[reason]}"
    refused = [r for r in made.resolution.refused if r.node_id == device.node_id]
    if refused:
        return f"{refused[0].exclusion}: {EXPLANATIONS[refused[0].exclusion]}"
    verdict = made.resource.spec.selector.explain(device.tags, source.policy.grammar)
    if verdict.matches:
        return "selected"
    failing = [r for term in verdict.terms for r in term.requirements if not r.matches]
    return f"not {failing[0].requirement}: {failing[0].reason}" if failing else "no selector"


def _one(made: "Pass", source: "Source", device: "Device") -> Iterator[str]:
    from discovery.plan.gate import EXPLANATIONS  # noqa: PLC0415 - not for help

    yield f"{device.name or device.node_id} ({device.node_id}) for {made.resource.key}"
    yield f"tags: {', '.join(device.tags) or 'none'}"
    reason = source.selection.excluded.get(device.node_id)
    yield f"gate: {f'{reason}: {EXPLANATIONS[reason]}' if reason else 'eligible'}"
    verdict = made.resource.spec.selector.explain(device.tags, source.policy.grammar)
    yield from (f"selector: {verdict}").splitlines()
    for refused in made.resolution.refused:
        if refused.node_id == device.node_id:
            detail = f" ({refused.detail})" if refused.detail else ""
            yield f"refused: {refused.exclusion}: {EXPLANATIONS[refused.exclusion]}{detail}"
    yield from _held(made, device.node_id)
    yield from _endpoints(made, device.node_id)


def _one_kept(made: "Pass", endpoint: "Endpoint") -> Iterator[str]:
    yield f"{endpoint.name} ({endpoint.node_id}) for {made.resource.key}"
    waits = list(_held(made, endpoint.node_id))
    yield from waits or [f"kept: {_UNREADABLE}"]
    yield from _endpoints(made, endpoint.node_id)


def _why_kept(made: "Pass", endpoint: "Endpoint") -> str:
    from discovery.plan.losses import MEANINGS  # noqa: PLC0415 - not for help

    for loss, hold in made.decision.held.items():
        if loss.node_id == endpoint.node_id:
            return f"held, {hold}: {MEANINGS[loss.cause]}"
    return f"kept: {_UNREADABLE}"


def _held(made: "Pass", node: str) -> Iterator[str]:
    """Say what the removal of a device's endpoint waits for, if it does."""
    from discovery.plan.losses import MEANINGS  # noqa: PLC0415 - not for help
    from discovery.plan.trust import spelled  # noqa: PLC0415

    memory = made.decision.memory
    batches = [batch for batch in (memory.waiting if memory else ()) if node in batch.nodes]
    for loss, hold in made.decision.held.items():
        if loss.node_id != node:
            continue
        yield f"held: {hold}: {MEANINGS[loss.cause]} ({loss.detail})"
        for batch in batches:
            asked = "confirmed it" if batch.confirmed else "has not confirmed it"
            yield (
                f"  since {spelled(batch.since)}, lists that say so: {batch.confirmations}; "
                f"the control plane, asked for it, {asked}"
            )
        yield f"  {made.observed.blocked}"


def _endpoints(made: "Pass", node: str) -> Iterator[str]:
    """Show the endpoints of a device with their ports, and the port tags that were ignored."""
    endpoints = [e for e in made.resolution.endpoints if e.node_id == node]
    for endpoint in endpoints:
        for port in endpoint.ports:
            yield (
                f"endpoint: {endpoint.name} ({endpoint.source}), port {port.name} = "
                f"{port.number}/{port.transport}{f' {port.app_protocol}' * bool(port.app_protocol)}"
            )
        yield from (
            f"port rule: {note}"
            for note in made.resolution.ignored_tags
            if note.startswith(f"{endpoint.name}: ")
        )
    if not endpoints:
        yield "endpoint: none"
