"""What a pass over a resource would do: tailnet, children and settings brought before the plan."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from discovery.plan.changes import Change
from discovery.plan.endpoints import Source as Origin
from discovery.plan.losses import RemovalCause
from discovery.plan.observed import Observed, Sync
from discovery.plan.owner import owner_of
from discovery.plan.passes import Inputs, Pass, plan_pass, plan_removal
from discovery.plan.removal import Seen
from discovery.plan.slices import desired, digest
from discovery.plan.trust import Cause, Freshness
from discovery.recorder import Recorder
from discovery.source import Source
from discovery.stores import Children, Store, UnreadableResource
from discovery.v1alpha1 import Key, Mode, TailscaleEndpoints

if TYPE_CHECKING:
    from discovery.tailnet import Device


class Sources:
    """The configured tailnets, found by the name that a resource gives.

    A tailnet answers to its name and to every one of its domains, old and new.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)

    def __iter__(self) -> Iterator[Source]:
        return iter(self._sources)

    def of(self, tailnet: str) -> Source | None:
        """Return the source of a tailnet, or None where it is not configured."""
        for source in self._sources:
            if tailnet in (source.policy.tailnet, *source.policy.domains):
                return source
        # A tailnet known only by its credentials has no name before its first list.
        return next((source for source in self._sources if not source.policy.tailnet), None)


async def remember(store: Store, sources: Sources) -> None:
    """Tell each tailnet what its resources knew before this process did.

    Their slices name the nodes that a list is judged by, and their status those of which the
    control plane has said already that they are gone.
    """
    keys: dict[Source, list[Key]] = {}
    gone: dict[Source, set[str]] = {}
    for key in sorted(store.keys()):
        resource = store.get(key)
        if not isinstance(resource, TailscaleEndpoints):
            continue
        if (source := sources.of(resource.spec.tailnet)) is not None:
            keys.setdefault(source, []).append(key)
            gone.setdefault(source, set()).update(_confirmed(resource))
    for source, known in keys.items():
        source.tagged = frozenset(await store.known_nodes(known))
        if source.questions is not None:
            source.questions.presume_gone(sorted(gone[source]))


def _confirmed(resource: TailscaleEndpoints) -> Iterator[str]:
    removal = resource.status.removal if resource.status else None
    for batch in removal.waiting if removal else ():
        if batch.confirmed and RemovalCause(batch.cause) is RemovalCause.ABSENT:
            yield from batch.nodes


class Planner:
    """Plans passes for one instance. ``mode`` Observe never writes any child.

    ``leads`` tells whether no other replica can be writing any more. ``waiting`` has the resources
    that keep what they no longer select, each with its tailnet, whose next list may let it go.
    ``recorder`` is told of lists, answers and passes.
    """

    def __init__(
        self, sources: Sources, instance: str, mode: Mode, recorder: Recorder | None = None
    ) -> None:
        self.sources = sources
        self.recorder = recorder or Recorder()
        for source in sources:
            source.recorder = self.recorder
        self.leads: Callable[[], bool] = lambda: True
        self.waiting: dict[Key, Source] = {}
        self._instance = instance
        self._mode = mode
        self._before: dict[Key, dict[str, Device]] = {}

    def define(
        self, resources: Mapping[Key, TailscaleEndpoints | UnreadableResource | None]
    ) -> None:
        """Take resources that came, changed or went into the selections of their tailnets."""
        for key, resource in resources.items():
            if resource is None:
                self._before.pop(key, None)
                self.waiting.pop(key, None)
        for source in self.sources:
            source.selection.define(
                {
                    key: resource.spec
                    if isinstance(resource, TailscaleEndpoints)
                    and self.sources.of(resource.spec.tailnet) is source
                    else None
                    for key, resource in resources.items()
                }
            )

    async def decide(self, resource: TailscaleEndpoints, children: Children, now: datetime) -> Pass:
        """Plan a pass, and ask for the devices without whose own word nothing may go.

        What it comes to is recorded before anything is written.
        """
        inputs = self.inputs(resource, children, now)
        source = self.sources.of(resource.spec.tailnet)
        if source is None or inputs is None:
            return self.plan(resource, children, now)
        snapshot, made = source.snapshot, plan_pass(inputs)
        questions = made.decision.questions
        if questions and await source.ask(questions):
            inputs = self.inputs(resource, children, now) or inputs
            snapshot, made = source.snapshot, plan_pass(inputs)
        self.recorder.decided(inputs, snapshot, made)
        if held := made.decision.held:
            source.want({loss.node_id for loss in held})
        return made

    def plan(self, resource: TailscaleEndpoints, children: Children, now: datetime) -> Pass:
        """Return what a pass over the resource would do; nothing is asked or written."""
        inputs = self.inputs(resource, children, now)
        if inputs is None:
            freshness = self._not_configured(resource.spec.tailnet)
            return Pass(resource, Observed(freshness, Sync.NO_DEVICE_LIST))
        return plan_pass(inputs)

    def inputs(
        self, resource: TailscaleEndpoints, children: Children, now: datetime
    ) -> Inputs | None:
        """Return all that a pass is made of; None where the tailnet is not configured."""
        source = self.sources.of(resource.spec.tailnet)
        if source is None:
            return None
        # An edit may be read before it is announced: it is judged by what it says itself.
        source.selection.define({resource.key: resource.spec})
        seen = Seen(
            resource=resource,
            slices=children.slices,
            policy=source.policy,
            matched=source.selection.matched(resource.key),
            listed=source.listing,
            unknown=source.snapshot.unknown if source.snapshot else (),
            evidence=replace(source.evidence(), leading=self.leads()),
            before=self._before.get(resource.key, {}),
            writes=Mode.OBSERVE not in (self._mode, resource.spec.mode),
        )
        return Inputs(
            seen,
            children.services,
            children.mirrored,
            self._instance,
            source.freshness(now),
            now,
        )

    def settle(self, made: Pass) -> None:
        """Take note of a pass that was carried out: what it selected, and what waits."""
        key, source = made.resource.key, self.sources.of(made.resource.spec.tailnet)
        if source is None or made.observed.resolution is None:
            return
        before, devices = self._before.get(key, {}), source.selection.devices
        held = {loss.node_id for loss in made.decision.held}
        self._before[key] = {
            node: device
            for endpoint in made.resolution.endpoints
            if endpoint.source is Origin.TAG_SELECTOR
            and (node := endpoint.node_id)
            and (device := before.get(node) if node in held else devices.get(node)) is not None
        }
        self.waiting.pop(key, None)
        if held or any(endpoint.held for endpoint in made.resolution.endpoints):
            self.waiting[key] = source

    def plan_removal(self, key: Key, children: Children, uid: str = "") -> tuple[Change, ...]:
        """Return the end of what a resource that is gone has left; what is not ours stays."""
        return plan_removal(key, children.services, children.slices, self._instance, uid)

    def end(self, key: Key, children: Children, now: datetime, uid: str) -> tuple[Change, ...]:
        """Return the same to be carried out, and record it."""
        changes = self.plan_removal(key, children, uid)
        have = (children.services, children.slices)
        self.recorder.ended(key, now, have, (self._instance, uid), changes)
        return changes

    def fingerprint(self, resource: TailscaleEndpoints, now: datetime) -> str | None:
        """Return a text that is equal while a resource wants the same, without a look at children.

        None where children matter for that: a removal waits, or an unreadable device keeps what it
        has.
        """
        source = self.sources.of(resource.spec.tailnet)
        if source is None or source.snapshot is None or source.snapshot.unknown:
            return None
        if resource.key in self.waiting:
            return None
        planned = self.plan(resource, Children(), now)
        endpoints = planned.resolution.endpoints
        wanted = digest(desired(owner_of(resource, self._instance), endpoints))
        resolution = replace(planned.resolution, endpoints=())
        rest = replace(planned.observed, resolution=resolution, decision=None)
        return f"{wanted} {resource.metadata.generation} {rest}"

    def _not_configured(self, tailnet: str) -> Freshness:
        known = ", ".join(sorted(source.policy.tailnet for source in self.sources))
        text = (
            f"No tailnet named {tailnet} is configured, only {known}; endpoints stay as they are."
        )
        return Freshness(fresh=False, reason=Cause.NOT_CONFIGURED, message=text)
