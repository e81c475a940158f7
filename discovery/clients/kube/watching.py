"""A kind of object, followed: a list, then watches from its version on, through every failure."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

from discovery.clients.errors import APIError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.errors import ExpiredError
from discovery.clients.kube.resources import Resource

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_WATCH: Final = 270.0  # seconds asked for, before jitter; the server's own limit is 30 to 60 min
_FIRST_PAUSE: Final = 0.8  # seconds, as client-go's reflectors
_LONGEST_PAUSE: Final = 30.0
_SHORT: Final = 1.0  # seconds; a watch that ends sooner was none


class Handler(Protocol[_T]):
    """Who wants to know. Only what ``project`` returns is kept of an object."""

    def project(self, obj: dict[str, Any]) -> _T:
        """Return what matters of an object."""
        ...

    def replace(self, items: list[_T]) -> None:
        """Take the complete list: what is not in it is not there."""
        ...

    def upsert(self, item: _T) -> None:
        """Take one that is new or changed."""
        ...

    def remove(self, item: _T) -> None:
        """Take one that is deleted, or no longer matches the labels."""
        ...


def spread(seconds: float) -> float:
    """Return a random time around ``seconds``, so that not all clients come back at once."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


class Watcher(Generic[_T]):
    """Keeps a handler up to date with a kind, in one namespace or all, by labels.

    ``synced`` is set once the first complete list was taken, and stays so. ``last_activity`` is
    when, in ``monotonic`` seconds, the server last answered or sent something; at first, when this
    was made. ``problem`` is why the kind can not be listed or watched now. A failed list changes
    nothing: failure never looks like absence.
    """

    def __init__(  # noqa: PLR0913 - the last three are clocks and chance
        self,
        client: KubeClient,
        resource: Resource,
        handler: Handler[_T],
        *,
        namespace: str | None = None,
        labels: str = "",
        jitter: Callable[[float], float] = spread,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.synced = asyncio.Event()
        self.last_activity = monotonic()
        self.problem: APIError | None = None
        self._client = client
        self._resource = resource
        self._handler = handler
        self._namespace = namespace
        self._labels = labels
        self._jitter = jitter
        self._monotonic = monotonic
        self._sleep = sleep
        self._version: str | None = None
        self._opened: float | None = None

    async def run(self) -> NoReturn:
        """Follow the kind until cancelled.

        A watch that lasted is resumed at once from the last version. Anything else waits first:
        for a pause that doubles up to half a minute, or for the one that the server asks for if
        that is longer.
        """
        pause = _FIRST_PAUSE
        while True:
            asked = await self._round()
            if self._lasted():
                pause = _FIRST_PAUSE
                if asked is None:
                    continue
            await self._sleep(max(self._jitter(pause), (asked or timedelta()).total_seconds()))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _round(self) -> timedelta | None:
        """List if there is no version to go on from, then watch.

        None says that the watch ended as watches do; else it is the pause that the server asks for.
        """
        self._opened = None
        try:
            if self._version is None:
                self._version = await self._list()
            await self._watch(self._version)
        except ExpiredError:
            self._version = None
        except APIError as error:
            # Not resumed: a server that was away may have been restored from a backup, whose
            # versions are behind ours, and on those it would be silent. And where only watching is
            # refused, the lists at least go on.
            self._version = None
            self._fail(error)
            return getattr(error, "retry_after", None) or timedelta()
        else:
            return None
        return timedelta()

    async def _list(self) -> str:
        items, version = await self._client.collect(
            self._resource,
            self._handler.project,
            namespace=self._namespace,
            labels=self._labels,
            retried=False,
        )
        self.last_activity = self._monotonic()
        self._handler.replace(items)
        self.synced.set()
        return version

    async def _watch(self, version: str) -> None:
        events = self._client.watch(
            self._resource,
            self._namespace,
            resource_version=version,
            labels=self._labels,
            seconds=round(self._jitter(_WATCH)),
            opened=self._well,
        )
        async with aclosing(events):
            async for event in events:
                self.last_activity = self._monotonic()
                self._take(event["type"], event["object"])

    def _take(self, change: str, obj: dict[str, Any]) -> None:
        if change in ("ADDED", "MODIFIED"):
            self._handler.upsert(self._handler.project(obj))
        elif change == "DELETED":
            self._handler.remove(self._handler.project(obj))
        self._version = obj["metadata"]["resourceVersion"]

    def _lasted(self) -> bool:
        return self._opened is not None and self._monotonic() - self._opened >= _SHORT

    def _well(self) -> None:
        self._opened = self.last_activity = self._monotonic()
        if self.problem is not None:
            log.info("cluster followed again", extra={"resource": self._resource.plural})
        self.problem = None

    def _fail(self, error: APIError) -> None:
        before, self.problem = self.problem, error
        if before is None or (type(before), before.status) != (type(error), error.status):
            extra = {"resource": self._resource.plural, "problem": str(error)}
            log.warning("cluster not followed", extra=extra)
