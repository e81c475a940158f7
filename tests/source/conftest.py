"""A tailnet of twenty-five tagged devices that can be asked for one by one."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from discovery.clients.devices import decode_device, decode_devices
from discovery.clients.errors import NotFoundError, TransientError
from discovery.plan.policy import TailnetPolicy
from discovery.source import Source
from discovery.tailnet import Device, DeviceList

if TYPE_CHECKING:
    import asyncio

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Tailnet:
    """A control plane in memory: who is there, whom its lists lack, whom it can not answer for.

    Devices of ``bare`` have no tags.
    """

    def __init__(self) -> None:
        self.there = {f"n{number:02}" for number in range(25)}
        self.hidden: set[str] = set()
        self.silent: set[str] = set()
        self.bare: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.broken = False
        self.asked: list[str] = []
        self.hang: asyncio.Event | None = None
        self.extra: list[dict[str, Any]] = []
        self.source = Source(
            TailnetPolicy("company.ts.net", ("company.ts.net",)), self, MINUTE, self.device
        )
        self.now = NOW

    async def devices(self, previous: DeviceList | None = None) -> DeviceList:
        if self.broken:
            raise TransientError("no answer", where="GET /devices")
        listed = [self._entry(node) for node in sorted(self.there - self.hidden)]
        body = json.dumps({"devices": [*listed, *self.extra]}).encode()
        return decode_devices(body, where="test", previous=previous)

    async def device(self, node: str) -> Device:
        self.asked.append(node)
        if self.hang is not None:
            await self.hang.wait()
        if node in self.silent:
            raise TransientError("no answer", where=f"GET /device/{node}")
        node = self.aliases.get(node, node)
        if node not in self.there:
            raise NotFoundError("no such device", where=f"GET /device/{node}", status=404)
        return decode_device(json.dumps(self._entry(node)).encode(), where="test")

    async def poll(self) -> None:
        self.now += MINUTE
        self.asked.clear()
        await self.source.poll(self.now)

    def _entry(self, node: str) -> dict[str, Any]:
        return {
            "nodeId": node,
            "name": f"{node}.company.ts.net",
            "addresses": [f"100.64.0.{int(node[1:]) + 1}"],
            "tags": [] if node in self.bare else ["tag:env-production"],
            "authorized": True,
        }


@pytest.fixture
def tailnet() -> Tailnet:
    return Tailnet()
