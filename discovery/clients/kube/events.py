"""Events (events.k8s.io/v1): what ``kubectl describe`` and ``kubectl events`` tell of an object.

They are for people and may be lost: nothing waits for them and none of their failures matters to
what they tell of. What is said again becomes a ``series`` of the event that said it first.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, Never

from discovery.clients.errors import APIError, NotFoundError, TransientError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.errors import NamespaceTerminatingError
from discovery.clients.kube.event_series import (
    Bucket,
    Buckets,
    Ledger,
    Limits,
    Regarding,
    Said,
    Series,
)
from discovery.clients.kube.lease_record import micro_time
from discovery.clients.kube.resources import EVENTS
from discovery.plan.owner import FIELD_MANAGER

__all__ = ["EventRecorder", "Limits", "Regarding"]

log = logging.getLogger(__name__)

REPORTING_CONTROLLER: Final = "gateway.tailscale.com/tailnet-discovery"

_LONGEST_NOTE: Final = 1024  # bytes, as all three: the server counts those of Go's strings
_LONGEST_WORD: Final = 128
_LONGEST_NAME: Final = 236  # of the 253 that a name may have, 17 are for the stamp
_CLUSTER_NAMESPACE: Final = "default"  # where events of objects without a namespace go
_REQUEST_LIMIT: Final = 10.0  # seconds


def _utc_now() -> datetime:
    return datetime.now(UTC)


class _Heard(NamedTuple):
    said: Said
    observed: datetime
    at: float


class EventRecorder:
    """Takes events at any time and writes them while :meth:`run` runs.

    ``instance`` names this process (``reportingInstance``). ``now`` returns aware times for people,
    ``monotonic`` counts seconds. ``dropped`` counts what was never written, by cause: ``queue``
    (too many waiting), ``rate`` (too many of one object), ``refused`` (by the server, whatever it
    said).
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        instance: str,
        now: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self._client = client
        self._instance = _cut(instance, _LONGEST_WORD)
        self._now = now
        self._monotonic = monotonic
        self._limits = limits
        self._queue: deque[_Heard] = deque()
        self._wake = asyncio.Event()
        self._ledger = Ledger(limits)
        self._of_object: Buckets[Regarding] = Buckets(limits.object_burst, limits.object_refill)
        self._overall = Bucket(limits.burst, limits.refill, limits.burst, monotonic())
        self._stamp = 0
        self._problem = ""

    def record(
        self,
        regarding: Regarding,
        kind: Literal["Normal", "Warning"],
        reason: str,
        action: str,
        note: str,
    ) -> None:
        """Say something about an object; never raises and never waits.

        ``reason`` (CamelCase) says why, ``action`` what was done; ``note`` is for people and cut
        at 1024 bytes. With too many waiting the oldest is dropped.
        """
        if len(self._queue) >= self._limits.queue:
            self._queue.popleft()
            self.dropped["queue"] += 1
        reason, action = _cut(reason, _LONGEST_WORD), _cut(action, _LONGEST_WORD)
        said = Said(regarding, kind, reason, action, _cut(note, _LONGEST_NOTE))
        self._queue.append(_Heard(said, self._now(), self._monotonic()))
        self._wake.set()

    async def run(self) -> Never:
        """Write what is recorded, for ever."""
        while True:
            self._wake.clear()
            await self.flush()
            due = self._ledger.next_due()
            try:
                async with asyncio.timeout(None if due is None else due - self._monotonic()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def flush(self) -> None:
        """Write what is recorded by now and what is due of the series. Never raises."""
        while self._queue:
            heard = self._queue.popleft()
            if not self._ledger.repeat(heard.said, heard.observed, heard.at):
                await self._write_new(heard)
        for said, series in self._ledger.due(self._monotonic()):
            await self._write_count(said, series)
        self._ledger.forget_ended(self._monotonic())

    async def _write_new(self, heard: _Heard) -> None:
        regarding = heard.said.regarding
        if not self._of_object.take(regarding, self._monotonic()):
            self.dropped["rate"] += 1
            return
        await self._pace()
        namespace, name = _namespace(regarding), self._new_name(regarding.name, heard.observed)
        body = self._body(heard, namespace, name)
        if await self._sent(self._client.create(EVENTS, namespace, body)) is None:
            self._ledger.begin(heard.said, name, heard.observed, heard.at)

    async def _write_count(self, said: Said, series: Series) -> None:
        count = series.count
        await self._pace()
        request = self._client.request(
            "PATCH",
            EVENTS.path(_namespace(said.regarding), series.name),
            query={"fieldManager": FIELD_MANAGER},
            body={"series": {"count": count, "lastObservedTime": micro_time(series.observed)}},
            content_type="application/merge-patch+json",
        )
        failure = await self._sent(request)
        self._ledger.wrote(series, count, self._monotonic())
        if isinstance(failure, NotFoundError):  # its time was over (an hour, by default)
            self._ledger.forget(said)

    async def _sent(self, request: Awaitable[Any]) -> Exception | None:
        """Await a request; return its failure, counted and told, for events may be lost."""
        try:
            try:
                async with asyncio.timeout(_REQUEST_LIMIT):
                    await request
            except TimeoutError as exc:
                text = f"no answer within {_REQUEST_LIMIT:g} s"
                raise TransientError(text, where=EVENTS.path()) from exc
        except Exception as failure:  # noqa: BLE001 - whatever it is, an event may be lost
            self.dropped["refused"] += 1
            self._tell(failure)
            return failure
        self._problem = ""
        return None

    def _tell(self, failure: Exception) -> None:
        """Log a failure; as a warning only where the one before was another.

        That a namespace is about to go, or gone, is no failure of ours.
        """
        problem = f"{type(failure).__name__} {getattr(failure, 'status', None)}"
        expected = isinstance(failure, NamespaceTerminatingError | NotFoundError)
        level = logging.DEBUG if expected or problem == self._problem else logging.WARNING
        defect = failure if not isinstance(failure, APIError) else None
        log.log(level, "event not written", extra={"problem": str(failure)}, exc_info=defect)
        if not expected:
            self._problem = problem

    async def _pace(self) -> None:
        await asyncio.sleep(self._overall.reserve(self._monotonic()))

    def _new_name(self, name: str, observed: datetime) -> str:
        """Return a name as client-go forms it: the object's, and nanoseconds in hexadecimal."""
        self._stamp = max(self._stamp + 1, int(observed.timestamp() * 1_000_000) * 1000)
        return f"{name[:_LONGEST_NAME].rstrip('-.')}.{self._stamp:x}"

    def _body(self, heard: _Heard, namespace: str, name: str) -> dict[str, Any]:
        said = heard.said
        regarding = {
            "apiVersion": said.regarding.api_version,
            "kind": said.regarding.kind,
            "namespace": said.regarding.namespace,
            "name": said.regarding.name,
            "uid": said.regarding.uid,
        }
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": namespace, "name": name},
            "eventTime": micro_time(heard.observed),
            "reportingController": REPORTING_CONTROLLER,
            "reportingInstance": self._instance,
            "type": said.type,
            "reason": said.reason,
            "action": said.action,
            "note": said.note,
            "regarding": regarding,
        }


def _namespace(regarding: Regarding) -> str:
    return regarding.namespace or _CLUSTER_NAMESPACE


def _cut(text: str, limit: int) -> str:
    """Return what fits of a text into ``limit`` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
