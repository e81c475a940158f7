"""Questions: single devices that a tailnet's control plane is asked for, and what it answered.

A list may lie, so that a device which is missing from it, or looks different in it, is asked for by
itself. Few are asked after one poll; the others wait in a queue and come first the next time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import Final

from discovery.clients.errors import APIError, NotFoundError
from discovery.plan.evidence import QUESTIONS_PER_POLL
from discovery.tailnet import Device

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Questions that are under way at one time."""

Ask = Callable[[str], Awaitable[Device]]
"""Asks for the device with this node ID; only NotFoundError says that there is none."""


class Questions:
    """What one tailnet is asked. ``limit`` is the longest that one round of questions may take.

    ``answers`` hold a device as it described itself, or None where there is no such device;
    ``denied`` are the nodes that a list lacks although they answered. ``on_answer`` is told what
    each question brought: ``gone``, ``present`` or ``unclear``.
    """

    def __init__(self, ask: Ask, limit: timedelta) -> None:
        self.answers: dict[str, Device | None] = {}
        self.denied: set[str] = set()
        self.on_answer: Callable[[str], None] = lambda _answer: None
        self._ask = ask
        self._limit = limit
        self._listed: Mapping[str, Device] = {}
        self._queue: dict[str, None] = {}
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._one_round = asyncio.Lock()

    def presume_gone(self, nodes: Iterable[str]) -> None:
        """Take over what an earlier process was told of devices that are gone."""
        self.answers.update(dict.fromkeys(nodes))

    async def new_poll(self, listed: Mapping[str, Device], kept: Collection[str] = ()) -> None:
        """Begin anew with a list: ask whom the last one denied, then what has waited longest.

        Forgotten is what the list outdates, and what nobody wanted to know since the last poll;
        the answers of ``kept`` stay.
        """
        async with self._one_round:
            self.answers = {
                node: device
                for node, device in self.answers.items()
                if (node in self._wanted or node in kept)
                and (device is not None or node not in listed)
            }
            self._queue = {node: None for node in self._queue if node in self._wanted}
            self.denied -= listed.keys()
            self._listed = listed
            self._wanted, self._asked = set(), set()
            await self._round(dict.fromkeys((*sorted(self.denied), *self._queue)))

    def want(self, nodes: Iterable[str]) -> None:
        """Say whose answers must not be forgotten at the next poll."""
        self._wanted.update(nodes)

    async def ask(self, nodes: Collection[str]) -> bool:
        """Ask for devices, as far as the number allows; return whether any of them answered."""
        self.want(nodes)
        async with self._one_round:
            await self._round(nodes)
        return any(node in self.answers for node in nodes)

    async def _round(self, nodes: Iterable[str]) -> None:
        unasked = [node for node in nodes if node not in self._asked]
        self._queue.update(dict.fromkeys(unasked))
        now = unasked[: QUESTIONS_PER_POLL - len(self._asked)]
        self._asked.update(now)
        free = asyncio.Semaphore(AT_ONCE)

        async def one(node: str) -> None:
            async with free:
                await self._question(node)

        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                await asyncio.gather(*map(one, now))
        except TimeoutError:
            log.warning("devices not asked in time", extra={"nodes": ", ".join(now)})

    async def _question(self, node: str) -> None:
        # Until it is answered it stands last: the next time it is somebody else's turn.
        self._queue.pop(node, None)
        self._queue[node] = None
        try:
            device: Device | None = await self._ask(node)
        except NotFoundError:
            device = None
        except APIError as error:
            self.answers.pop(node, None)
            self.on_answer("unclear")
            log.warning("device not asked", extra={"node": node, "problem": str(error)})
            return
        del self._queue[node]
        if device is not None and device.node_id != node and device.node_id in self._listed:
            # A device has two identities, and a list may have shown the other one for a while.
            device = None
        self.answers[node] = device
        if device is not None and node not in self._listed:
            self.denied.add(node)
        else:
            self.denied.discard(node)
        self.on_answer("gone" if device is None else "present")
