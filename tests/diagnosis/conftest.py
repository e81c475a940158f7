"""A tailnet whose control plane answers what a test says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from discovery.clients.errors import APIError
from discovery.plan.policy import TailnetPolicy
from discovery.source import Source
from discovery.tailnet import Device, DeviceList, UnknownDevice
from tagselectors import TagGrammar

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def device(number: int, *tags: str, online: bool = True) -> Device:
    return Device(
        node_id=f"n{number}",
        name=f"host-{number}.company.ts.net",
        addresses=(f"100.64.0.{number}",),
        tags=tags,
        connected_to_control=online,
    )


class Reader:
    """Answers with devices, or with an error."""

    def __init__(self, said: list[Device] | APIError, unknown: tuple[UnknownDevice, ...]) -> None:
        self._said = said
        self._unknown = unknown

    async def devices(self, previous: DeviceList | None = None) -> DeviceList:
        del previous
        if isinstance(self._said, APIError):
            raise self._said
        return DeviceList(tuple(self._said), self._unknown, "digest")


MakeSource = Callable[..., Source]


@pytest.fixture
def source() -> MakeSource:
    """Make the source of company.ts.net."""

    def make(
        said: list[Device] | APIError,
        *,
        keys: tuple[str, ...] = (),
        unknown: tuple[UnknownDevice, ...] = (),
    ) -> Source:
        policy = TailnetPolicy("company.ts.net", ("company.ts.net",), grammar=TagGrammar(keys))
        return Source(policy, Reader(said, unknown), timedelta(seconds=60))

    return make
