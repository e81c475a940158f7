"""One tailnet: its polls, its last verified list, and how far that list can be trusted."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from discovery.clients.errors import (
    APIError,
    AuthError,
    MalformedAnswerError,
    TransientError,
)
from discovery.plan.policy import TailnetPolicy
from discovery.plan.selection import Selection
from discovery.plan.trust import Cause, Doubt, Freshness, Outage, common_domain, doubt, freshness
from discovery.tailnet import DeviceList, Snapshot
from discovery.v1alpha1 import Key

log = logging.getLogger(__name__)

LONGEST_POLL = timedelta(seconds=30)


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
    """

    def __init__(self, policy: TailnetPolicy, reader: DeviceReader, interval: timedelta) -> None:
        self.policy = policy
        self.selection = Selection(policy)
        self.tagged: frozenset[str] = frozenset()
        self.snapshot: Snapshot | None = None
        self.outage: Outage | None = None
        self.error: APIError | None = None
        self.interval = interval
        self._reader = reader
        self.listed: DeviceList | None = None

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
            return self._take(listed, now)
        self._fail(Doubt(_cause(self.error), str(self.error)), now)
        return set()

    def freshness(self, now: datetime) -> Freshness:
        """Return whether the snapshot may be called fresh at ``now``, in words for people."""
        verified = self.snapshot.fetched_at if self.snapshot else None
        return freshness(self.policy.tailnet, verified, self.outage, self.interval, now)

    def _take(self, listed: DeviceList, now: datetime) -> set[Key]:
        if not self.policy.domains and (domain := common_domain(listed.devices)):
            self.policy = replace(self.policy, tailnet=domain, domains=(domain,))
        reason = doubt(listed, self.policy.domains, self.tagged)
        if reason is not None:
            self._fail(reason, now)
            return set()
        if self.outage is not None:
            log.info("source fresh again", extra={"tailnet": self.policy.tailnet})
        previous, self.outage = self.snapshot, None
        self.tagged = frozenset(device.node_id for device in listed.devices if device.tags)
        self.snapshot = Snapshot(
            self.policy.tailnet, listed.devices, listed.unknown, now, listed.digest
        )
        if previous is None or listed.unknown != previous.unknown:
            self._log_unknown(listed)
        return self.selection.refresh(listed.devices, now)

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
