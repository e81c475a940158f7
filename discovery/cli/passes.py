"""One pass over everything a store holds: what ``sync`` does and ``plan`` shows."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import click

from discovery.cli.errors import ExitCode, failure_of
from discovery.cli.progress import reading
from discovery.plan.changes import Change
from discovery.plan.passes import Pass
from discovery.planner import Planner, Sources, remember
from discovery.reconciler import Reconciler
from discovery.source import Source
from discovery.stores import Store, StoreError, UnreadableResource
from discovery.v1alpha1 import Key, TailscaleEndpoints

AT_ONCE: Final = 8
"""Passes that run side by side."""


@dataclass
class Outcome:
    """The passes that could be made, and what could not be done, with its exit code.

    ``removals`` are the ends of what resources without a manifest left behind; ``unchanged`` counts
    the objects that are there and stay as they are. ``unread`` are lines about devices that could
    not be read.
    """

    passes: list[Pass] = field(default_factory=list)
    removals: list[Change] = field(default_factory=list)
    unchanged: int = 0
    failures: list[tuple[str, ExitCode]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def exit_code(self) -> ExitCode:
        """Return 0, the code of the one failure where nothing was done, or 6 for partly done."""
        if not self.failures:
            return ExitCode.DONE
        return ExitCode.PARTLY if self.passes or self.removals else self.failures[0][1]

    def say_problems(self) -> None:
        """Say on stderr what could not be done or read, each in one line."""
        for line, _ in self.failures:
            click.echo(f"error: {line}", err=True)
        for line in self.unread:
            click.echo(f"warning: {line}", err=True)


async def poll_all(store: Store, planner: Planner, now: datetime) -> Outcome:
    """Poll every tailnet once, and say which resources a pass can be made over."""
    outcome = Outcome()
    await remember(store, planner.sources)
    for source in planner.sources:
        with reading(source.policy.tailnet):
            await source.poll(now)
        failure = failure_to_read(source)
        if failure is not None:
            outcome.failures.append(failure)
        outcome.unread += unread_devices(source)
    keys = store.keys()
    planner.define({key: store.get(key) for key in keys})
    return outcome


async def plan_all(store: Store, planner: Planner, now: datetime) -> Outcome:
    """Plan a pass over every resource; nothing is written."""
    outcome = await poll_all(store, planner, now)
    for key in _ready_keys(store, planner.sources, outcome):
        outcome.removals += (removals := await _removals(key, store, planner))
        resource = store.get(key)
        if removals or not isinstance(resource, TailscaleEndpoints):
            continue
        children = await store.children(key)
        planned = await planner.decide(resource, children, now)
        existing = len(children.services) + len(children.slices)
        changes = planned.changes if planned.writes else ()
        touched = {change.name for change in changes if change.before is not None}
        outcome.passes.append(planned)
        outcome.unchanged += existing - len(touched)
    return outcome


async def sync_all(store: Store, planner: Planner, now: datetime) -> Outcome:
    """Make a pass over every resource; a directory's results are written together.

    Where a tailnet was not read, its resources say so in their status and keep what they have.
    """
    outcome = await poll_all(store, planner, now)
    ready = frozenset(_ready_keys(store, planner.sources, outcome))
    reconciler = Reconciler(store, planner)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(key: Key) -> None:
        async with free:
            try:
                removals = await _removals(key, store, planner)
                made = await reconciler.reconcile(key, now)
            except StoreError as error:
                lines, code = failure_of(error)
                outcome.failures.append((f"{lines[0]} ({key})", code))
            else:
                outcome.removals += removals
                outcome.passes += [made] if made and key in ready else []

    await asyncio.gather(*map(one, sorted(store.keys())))
    await store.flush()
    outcome.passes.sort(key=lambda made: made.resource.key)
    return outcome


async def _removals(key: Key, store: Store, planner: Planner) -> tuple[Change, ...]:
    """Return the end of what a resource has that is gone or is going."""
    resource = store.get(key)
    if isinstance(resource, UnreadableResource):
        return ()
    if resource is None or resource.metadata.deletion_timestamp is not None:
        uid = resource.metadata.uid if resource else ""
        return planner.plan_removal(key, await store.children(key), uid)
    return ()


def _ready_keys(store: Store, sources: Sources, outcome: Outcome) -> list[Key]:
    """Return the keys whose tailnet was read; each of the others is a failure that is said."""
    ready = []
    for key in sorted(store.keys()):
        resource = store.get(key)
        if resource is None:
            ready.append(key)
            continue
        if isinstance(resource, UnreadableResource):
            outcome.failures.append((f"{resource.problem} ({key})", ExitCode.CONFIGURATION))
            continue
        source = sources.of(resource.spec.tailnet)
        if source is None:
            known = ", ".join(s.policy.tailnet for s in sources)
            text = f"tailnet {resource.spec.tailnet} is not configured ({key}). Configured: {known}"
            outcome.failures.append((text, ExitCode.CONFIGURATION))
        elif source.outage is None:
            ready.append(key)
    return ready


def failure_to_read(source: Source) -> tuple[str, ExitCode] | None:
    """Return the line and the exit code of a tailnet whose list was not read or not believed."""
    if source.error is not None:
        lines, code = failure_of(source.error)
        return lines[0], code
    if source.outage is None:
        return None
    reason = source.outage.doubt
    name = source.policy.tailnet or "the tailnet"
    text = f"{reason.message} ({name}: {reason.cause}). Nothing was changed; look at the API"
    return text, ExitCode.UNREACHABLE


def unread_devices(source: Source) -> list[str]:
    """Return a line for each device of the last list that could not be read."""
    return [
        f"{entry.name or entry.node_id or f'entry {entry.position}'} can not be read: "
        f"{entry.problem}; an endpoint of it is kept"
        for entry in (source.listed.unknown if source.listed else ())
    ]
