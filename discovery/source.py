"""One tailnet: its polls, its last verified list, and how far that list can be trusted."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from discovery.clients.errors import (
    APIError,
    AuthError,
    MalformedAnswerError,
    TransientError,
)
from discovery.plan.evidence import Evidence
from discovery.plan.losses import Listed
from discovery.plan.policy import TailnetPolicy
from discovery.plan.selection import Selection
from discovery.plan.trust import Cause, Doubt, Freshness, Outage, common_domain, doubt, freshness
from discovery.questions import Ask, Questions
from discovery.recorder import Recorder
from discovery.tailnet import DeviceList, Snapshot
from discovery.v1alpha1 import Key

log = logging.getLogger(__name__)

LONGEST_POLL = timedelta(seconds=30)
LONGEST_QUESTIONS = timedelta(seconds=10)


class DeviceReader(Protocol):
    """Whatever can list a tailnet's devices: a control plane's client, or a file."""

    async def devices(self, previous: DeviceList | None = None) -> DeviceList:
        """Return the whole list, or raise APIError; never a part of it.

        Devices that equal one of ``previous`` may be the identical objects.
        """
        ...


class Source:
    """A tailnet as its control plane shows it.

    A failed poll keeps the last verified snapshot and ages it: failure never looks like absence.
    A policy without domains learns name and domain from the first list. ``tagged`` are the nodes
    that EndpointSlices knew before this process did: what the first list is judged by.
    ``listed`` is the last answer in the contract's shape, verified or not; only the snapshot may
    be acted on. ``error`` is the exception of the last poll, None where it brought a list.
    ``questions`` are for single devices; None where the control plane can not be asked (no
    ``ask``). ``recorder`` is told of what verified lists and single devices said.
    """

    def __init__(
        self,
        policy: TailnetPolicy,
        reader: DeviceReader,
        interval: timedelta,
        ask: Ask | None = None,
    ) -> None:
        self.policy = policy
        self.selection = Selection(policy)
        self.tagged: frozenset[str] = frozenset()
        self.snapshot: Snapshot | None = None
        self.outage: Outage | None = None
        self.error: APIError | None = None
        self.interval = interval
        self.listed: DeviceList | None = None
        self.recorder = Recorder()
        self._reader = reader
        limit = min(interval / 2, LONGEST_QUESTIONS)
        self.questions = None if ask is None else Questions(ask, limit)
        self._missing: dict[str, datetime] = {}
        self._wanted_at: datetime | None = None

    async def poll(self, now: datetime) -> set[Key]:
        """Read the list once; return the resources whose endpoints may differ because of it.

        Takes at most half the interval or 30 seconds, retries included, so that one hung answer
        can not stop polling.
        """
        limit = min(self.interval / 2, LONGEST_POLL)
        try:
            async with asyncio.timeout(limit.total_seconds()):
                listed = await self._reader.devices(self.listed)
        except TimeoutError as late:
            text = f"no device list within {limit.total_seconds():g} s"
            self.error = TransientError(text, where=self.policy.tailnet)
            self.error.__cause__ = late
        except APIError as error:
            self.error = error
        else:
            self.error = None
            self.listed = listed
            return await self._take(listed, now)
        self._fail(Doubt(_cause(self.error), str(self.error)), now)
        return set()

    async def ask(self, nodes: Collection[str]) -> bool:
        """Ask for single devices that the list lacks, or shows other than they were.

        Returns whether any of them has answered. Where one is there that the list lacks, the list
        is not believed any more.
        """
        if self.questions is None or not self._is_current:
            return False
        answered = await self.questions.ask(nodes)
        self._judge()
        return answered

    def want(self, nodes: Collection[str]) -> None:
        """Say that removals of these nodes wait: what was found out of them is still needed."""
        self._wanted_at = self.snapshot.fetched_at if self.snapshot else None
        if self.questions is not None:
            self.questions.want(nodes)

    def evidence(self) -> Evidence:
        """Return what a removal on this tailnet can rest on now."""
        snapshot = self.snapshot
        return Evidence(
            fetched_at=snapshot.fetched_at if snapshot else None,
            interval=self.interval,
            current=self._is_current,
            disproved=self._is_disproved,
            complete=snapshot is None or all(u.node_id is not None for u in snapshot.unknown),
            askable=self.questions is not None,
            answers=dict(self.questions.answers) if self.questions else {},
            missing=frozenset(self._missing) if self._lost_too_many else frozenset(),
        )

    @property
    def listing(self) -> Listed:
        """The devices of the snapshot, who is excluded, and who has each address."""
        selection = self.selection
        return Listed(selection.devices, selection.excluded, selection.by_address)

    @property
    def _lost_too_many(self) -> bool:
        rules, lost = self.policy.removal, len(self._missing)
        of = lost + len(self.tagged)
        return lost >= rules.tailnet_min_devices and lost * 100 > of * rules.tailnet_max_percent

    @property
    def _is_disproved(self) -> bool:
        return self.outage is not None and self.outage.doubt.cause is Cause.LIST_INCOMPLETE

    @property
    def _is_current(self) -> bool:
        return self.outage is None or self._is_disproved

    def freshness(self, now: datetime) -> Freshness:
        """Return whether the snapshot may be called fresh at ``now``, in words for people."""
        verified = self.snapshot.fetched_at if self.snapshot else None
        return freshness(self.policy.tailnet, verified, self.outage, self.interval, now)

    async def _take(self, listed: DeviceList, now: datetime) -> set[Key]:
        if not self.policy.domains and (domain := common_domain(listed.devices)):
            self.policy = replace(self.policy, tailnet=domain, domains=(domain,))
        reason = doubt(listed, self.policy.domains, self.tagged)
        if reason is not None:
            self._fail(reason, now)
            return set()
        if self.outage is not None and not self._is_disproved:
            self._end_outage()
        previous = self.snapshot
        before = self.tagged
        self.tagged = frozenset(device.node_id for device in listed.devices if device.tags)
        self._note_missing(before, listed, now)
        self.snapshot = Snapshot(
            self.policy.tailnet, listed.devices, listed.unknown, now, listed.digest
        )
        if previous is None or listed.unknown != previous.unknown:
            self._log_unknown(listed)
        self.recorder.listed(self.snapshot)
        touched = self.selection.refresh(listed.devices, now)
        if self.questions is not None:
            await self.questions.new_poll(self.selection.devices, self._missing)
            self._judge()
        return touched

    def _note_missing(self, before: frozenset[str], listed: DeviceList, now: datetime) -> None:
        """Keep what the tailnet lost lately.

        Where that is too much to be believed it is kept as long as removals wait on it. A pass that
        fails says nothing of what waits, so that silence counts only when it lasts.
        """
        there = {device.node_id for device in listed.devices}
        there.update(entry.node_id for entry in listed.unknown if entry.node_id is not None)
        found = {node: since for node, since in self._missing.items() if node not in there}
        found.update(dict.fromkeys(before - there, now))
        self._missing = found
        oldest = now - self.policy.removal.confirmations * self.interval
        waits = self._wanted_at is not None and self._wanted_at > oldest
        if not (waits and self.evidence().open_questions):
            self._missing = {node: since for node, since in found.items() if since > oldest}

    def _judge(self) -> None:
        """Believe the list, or not, by what the devices that it lacks answered themselves."""
        denied = sorted(self.questions.denied) if self.questions else []
        if self.questions is not None and self.snapshot is not None:
            self.recorder.answered(self.snapshot, self.questions.answers)
        if denied and self.snapshot is not None:
            text = f"the device list lacks devices that are there, {denied[0]} for one"
            if not self._is_disproved:
                self._fail(Doubt(Cause.LIST_INCOMPLETE, text), self.snapshot.fetched_at)
        elif self._is_disproved:
            self._end_outage()

    def _end_outage(self) -> None:
        log.info("source fresh again", extra={"tailnet": self.policy.tailnet})
        self.outage = None

    def _log_unknown(self, listed: DeviceList) -> None:
        for entry in listed.unknown:
            node = entry.node_id or f"entry {entry.position}"
            extra = {"tailnet": self.policy.tailnet, "node": node, "problem": entry.problem}
            log.warning("device unreadable", extra=extra)

    def _fail(self, reason: Doubt, now: datetime) -> None:
        before = self.outage
        if before is not None and before.doubt.cause is reason.cause:
            # The first message stands: a request ID in it must not make every poll news.
            self.outage = replace(before, failures=before.failures + 1)
            return
        extra = {"tailnet": self.policy.tailnet, "cause": reason.cause, "problem": reason.message}
        log.warning("source not read", extra=extra)
        failures = before.failures + 1 if before else 1
        self.outage = Outage(reason, since=before.since if before else now, failures=failures)


def _cause(error: APIError) -> Cause:
    if isinstance(error, AuthError):
        return Cause.CREDENTIALS_REFUSED
    if isinstance(error, MalformedAnswerError):
        return Cause.MALFORMED_ANSWER
    if isinstance(error, TransientError):
        return Cause.UNREACHABLE
    return Cause.REQUEST_REJECTED
