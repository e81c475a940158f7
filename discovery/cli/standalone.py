"""One pass over a directory of manifests: what ``sync`` does and ``plan`` shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click

from discovery.cli.errors import CommandError, ExitCode, failure_of
from discovery.cli.progress import reading
from discovery.plan.changes import Change
from discovery.reconciler import Pass, Reconciler, Sources
from discovery.settings import Settings
from discovery.source import Source
from discovery.stores import StoreError
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key


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


def open_store(manifests: Sequence[Path], out: Path | None) -> DirectoryStore:
    """Read the manifests. Warnings go to stderr; any error ends the command, with all of them."""
    for folder in manifests if out else ():
        # The next pass would take the status files for manifests.
        if out and out.resolve().is_relative_to(folder.resolve()):
            raise CommandError("the output lies among the manifests", str(out), "Choose another.")
    store = DirectoryStore(manifests, out)
    store.refresh()
    errors = [problem for problem in store.problems if problem.is_error]
    for problem in store.problems:
        click.echo(str(problem), err=True)
    if errors:
        what = f"{len(errors)} {'error' if len(errors) == 1 else 'errors'} in the manifests"
        where = ", ".join(map(str, manifests))
        raise CommandError(what, where, "Correct them; nothing was written.")
    for failed in store.unreadable.values():
        raise failed
    return store


async def remember_nodes(store: DirectoryStore, sources: Sources) -> None:
    """Tell each tailnet which tagged nodes its resources' slices know: what a list is judged by."""
    keys: dict[Source, list[Key]] = {}
    for key in sorted(store.keys()):
        resource = store.get(key)
        source = sources.of(resource.spec.tailnet) if resource else None
        if source is not None:
            keys.setdefault(source, []).append(key)
    for source, known in keys.items():
        source.tagged = frozenset(await store.known_nodes(known))


async def poll_all(
    store: DirectoryStore, sources: Sources, reconciler: Reconciler, now: datetime
) -> Outcome:
    """Poll every tailnet once, and say which resources a pass can be made over."""
    outcome = Outcome()
    await remember_nodes(store, sources)
    for source in sources:
        with reading(source.policy.tailnet):
            await source.poll(now)
        failure = failure_to_read(source)
        if failure is not None:
            outcome.failures.append(failure)
        outcome.unread += unread_devices(source)
    reconciler.define(store.keys())
    return outcome


async def plan_all(
    store: DirectoryStore, sources: Sources, reconciler: Reconciler, now: datetime
) -> Outcome:
    """Plan a pass over every resource; nothing is written."""
    outcome = await poll_all(store, sources, reconciler, now)
    for key in _ready_keys(store, sources, outcome):
        children = await store.children(key)
        resource = store.get(key)
        if resource is None:
            outcome.removals += reconciler.plan_removal(key, children)
            continue
        planned = reconciler.plan(resource, children, now)
        existing = len(children.services) + len(children.slices)
        changes = planned.changes if planned.writes else ()
        touched = {change.name for change in changes if change.before is not None}
        outcome.passes.append(planned)
        outcome.unchanged += existing - len(touched)
    return outcome


async def sync_all(
    store: DirectoryStore, sources: Sources, reconciler: Reconciler, now: datetime
) -> Outcome:
    """Make a pass over every resource and write the results together."""
    outcome = await poll_all(store, sources, reconciler, now)
    for key in _ready_keys(store, sources, outcome):
        try:
            if store.get(key) is None:
                outcome.removals += reconciler.plan_removal(key, await store.children(key))
            done = await reconciler.reconcile(key, now)
        except StoreError as error:
            outcome.failures.append((str(error), ExitCode.CONFIGURATION))
        else:
            outcome.passes += [done] if done else []
    await store.flush()
    return outcome


def new_reconciler(store: DirectoryStore, sources: Sources, settings: Settings) -> Reconciler:
    """Put a reconciler together from what a command has opened."""
    return Reconciler(store, sources, settings.instance, settings.mode)


def _ready_keys(store: DirectoryStore, sources: Sources, outcome: Outcome) -> list[Key]:
    """Return the keys whose tailnet was read; a resource without a tailnet is a failure."""
    ready = []
    for key in sorted(store.keys()):
        resource = store.get(key)
        if resource is None:
            ready.append(key)
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
