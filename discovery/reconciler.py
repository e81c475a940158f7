"""One pass over one resource, readable top to bottom: gather, plan, apply, report."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from discovery.plan.announcements import announcements
from discovery.plan.losses import Loss, RemovalCause
from discovery.plan.observed import Observed, Rejection, Sync
from discovery.plan.passes import Pass
from discovery.plan.status import report, says_something_new
from discovery.plan.trust import Cause, Freshness
from discovery.planner import Planner
from discovery.source import Source
from discovery.stores import Store, StoreError, UnreadableResource, WriteError
from discovery.v1alpha1 import Key, TailscaleEndpoints

log = logging.getLogger(__name__)


class Reconciler:
    """Turns resources into children of a store."""

    def __init__(self, store: Store, planner: Planner) -> None:
        self._store = store
        self._planner = planner
        self._settled: dict[Key, str] = {}

    def forget(self, key: Key | None = None) -> None:
        """Let the next pass over a resource, or over each, look at what is really there."""
        if key is None:
            self._settled.clear()
        else:
            self._settled.pop(key, None)

    def waiting_on(self, source: Source) -> set[Key]:
        """Return the resources that keep something until another list of this tailnet."""
        return {key for key, of in self._planner.waiting.items() if of is source}

    def define(self, keys: Iterable[Key]) -> None:
        """Take resources that came, changed or went into the selections of their tailnets."""
        self._planner.define({key: self._store.get(key) for key in keys})

    async def reconcile(self, key: Key, now: datetime) -> Pass | None:
        """Bring one resource's children and status to what they should be at ``now``.

        Returns None where the resource is gone or can not be read, or where nothing that it depends
        on has changed since its last pass. Raises StoreError; the caller flushes the store.
        """
        resource = self._store.get(key)
        if isinstance(resource, UnreadableResource):
            self.forget(key)
            await self._refuse(resource, now)
            return None
        if resource is None or resource.metadata.deletion_timestamp is not None:
            self.forget(key)
            await self._end(key, resource, now)
            return None
        fingerprint = self._planner.fingerprint(resource, now)
        if fingerprint is not None and self._settled.get(key) == fingerprint:
            return None
        self.forget(key)
        made = await self._planner.decide(resource, await self._store.children(key), now)
        failure: WriteError | None = None
        if made.writes:
            try:
                await self._write(made)
            except WriteError as error:
                failure = error
                self._planner.recorder.failed(key, now, str(error))
                made = replace(made, observed=_not_carried_out(made, error))
        await self._report(made, now)
        if failure is not None:
            raise failure
        self._planner.settle(made)
        if fingerprint is not None and not made.decision.held:
            self._settled[key] = fingerprint
        return made

    async def _write(self, made: Pass) -> None:
        key, intent = made.resource.key, made.decision.intent
        previous = made.resource.status
        if any(loss.is_guarded for loss in made.removed) and previous is not None:
            # Written before it counts: a restart must know of what may have gone.
            await self._store.report(key, previous.model_copy(update={"removal": intent}))
        try:
            await self._store.apply(key, made.groups)
        except StoreError:
            for loss in made.removed:
                _log_removal(key, loss, "removal not acknowledged")
            raise
        for change in made.changes:
            extra = {"object": f"{change.kind}/{change.name}", "action": change.action}
            log.info("write", extra={"resource": str(key), **extra})
        for loss in made.removed:
            _log_removal(key, loss)

    async def _report(self, made: Pass, now: datetime) -> None:
        resource = made.resource
        status = report(resource, made.observed, now)
        synced = made.observed.sync is Sync.SYNCED
        if (made.changes and synced) or says_something_new(status, resource.status):
            await self._store.report(resource.key, status)
        changes, removed = (made.changes, made.removed) if synced else ((), ())
        for said in announcements(resource.status, status, changes, removed):
            self._store.announce(resource.key, said)

    async def _refuse(self, resource: UnreadableResource, now: datetime) -> None:
        """Say of a resource that slipped past an older CRD what is wrong; its children stay."""
        seen = Observed(
            Freshness(fresh=False, reason=Cause.NOT_READ_YET, message="The spec can not be read."),
            Sync.NOT_ACCEPTED,
            rejection=Rejection("Invalid", f"{resource.problem}."),
        )
        status = report(resource, seen, now)
        if says_something_new(status, resource.status):
            await self._store.report(resource.key, status)
            for said in announcements(resource.status, status, ()):
                self._store.announce(resource.key, said)

    async def _end(self, key: Key, resource: TailscaleEndpoints | None, now: datetime) -> None:
        """Take away what a resource has that is gone or is going."""
        if resource is None:
            self._planner.define({key: None})  # a pass that was under way may have taken it in
        children = await self._store.children(key)
        uid = resource.metadata.uid if resource else ""
        await self._store.apply(key, [self._planner.end(key, children, now, uid)])
        left = {(e.name, e.node_id) for held in children.slices for e in held.endpoints}
        detail = "the resource is gone" if resource is None else "the resource is being deleted"
        for name, node in sorted(left):
            _log_removal(key, Loss(node, name, RemovalCause.RESOURCE_DELETED, detail))
        if resource is None:
            await self._store.remove(key)


def _not_carried_out(made: Pass, error: WriteError) -> Observed:
    """Return what a pass saw whose writes failed: what was to go may still be there."""
    decision = replace(made.decision, memory=made.decision.intent)
    return replace(made.observed, sync=Sync.WRITE_FAILED, detail=f"{error}.", decision=decision)


def _log_removal(key: Key, loss: Loss, message: str = "endpoint removed") -> None:
    """Log one line that outlives every other record of the removal."""
    extra = {"resource": str(key), "endpoint": loss.name, "node": loss.node_id}
    extra |= {"cause": str(loss.cause), "evidence": loss.detail}
    log.info(message, extra=extra)
