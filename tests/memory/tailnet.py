"""A tailnet in which every machine is made anew again and again, and whose control plane fails."""

import json
from typing import Any

from discovery.clients.devices import decode_device, decode_devices
from discovery.clients.errors import NotFoundError, TransientError
from discovery.tailnet import Device, DeviceList

TYPES = ("api", "web", "database", "cache")
FEWEST, SWING, OTHERS = 16, 20, 50


class ChurningTailnet:
    """A list of 66 to 76 devices; every eighth turn changes it, some turns fail.

    50 of them are selected by nobody, and most of these stay. Each of the others keeps its name;
    whenever it is made anew its node ID, its address and one of its tags are such as there were
    never before.
    """

    def __init__(self) -> None:
        self.number = 0
        self.made = 0
        self._machines: dict[int, dict[str, Any]] = {}
        self._unlisted: set[int] = set()
        self._hides: set[int] = set()
        self._fails = False
        self._spoils = False
        self._resize(FEWEST)
        self._others = [
            {"nodeId": f"o{n}", "name": f"o-{n}.company.ts.net", "addresses": [f"100.99.0.{n}"]}
            for n in range(1, OTHERS + 1)
        ]

    def turn(self) -> None:
        """Let a machine be made anew, others come, go, get other tags or be shut out; or fail."""
        number = self.number = self.number + 1
        step, rest = divmod(number, 8)
        if rest == 0:
            self._resize(FEWEST + min(number % SWING, SWING - number % SWING))
            self._remake(step % FEWEST)
            for place in range(3):
                self._others[place]["nodeId"] = f"o{number}-{place}"
        if number % 32 == 7:
            self._retag(self._machines[step % FEWEST])
        if number % 64 == 12:
            self._machines[step % FEWEST]["authorized"] = False
        # Some fail alone, some for long enough to be told.
        self._fails = number % 17 == 5 or 100 <= number % 500 < 105
        self._spoils = number % 61 == 3
        self._hides = {1, 2} if number % 83 in {7, 8} else set()
        if number % 97 == 11:
            self._unlisted = set(range(0, FEWEST, len(TYPES)))  # all of one type, so that it waits
        elif number % 97 == 17:
            for place in sorted(self._unlisted):
                self._remake(place)
            self._unlisted = set()

    def rest(self) -> None:
        """Stand still at the fewest devices, made anew, and answer well."""
        self._fails = self._spoils = False
        self._hides, self._unlisted = set(), set()
        self._resize(FEWEST)
        for place in range(FEWEST):
            self._remake(place)

    async def devices(self, previous: DeviceList | None = None) -> DeviceList:
        if self._fails:
            raise TransientError(f"no answer, turn {self.number}", where="GET /devices")
        hidden = self._hides | self._unlisted
        listed = [one for place, one in self._machines.items() if place not in hidden]
        if self._spoils:
            listed[0] = {**listed[0], "addresses": "none"}
        body = json.dumps({"devices": [*listed, *self._others]}).encode()
        return decode_devices(body, where="GET /devices", previous=previous)

    async def device(self, node_id: str) -> Device:
        for place, one in self._machines.items():
            if one["nodeId"] == node_id and place not in self._unlisted:
                return decode_device(json.dumps(one).encode(), where="GET /device")
        raise NotFoundError("not found", where="GET /device", status=404)

    def _resize(self, size: int) -> None:
        for place in [place for place in self._machines if place >= size]:
            del self._machines[place]
        for place in range(len(self._machines), size):
            self._remake(place)

    def _remake(self, place: int) -> None:
        number = self.made = self.made + 1
        self._machines[place] = {
            "nodeId": f"n{number:06}CNTRL",
            "name": f"m-{place}.company.ts.net",
            "addresses": [f"100.{64 + number // 50_000}.{number // 200 % 250}.{number % 200 + 1}"],
        }
        self._retag(self._machines[place])
        self._machines[place]["tags"][0] = f"tag:service-type-{TYPES[place % len(TYPES)]}"

    def _retag(self, machine: dict[str, Any]) -> None:
        """Give a machine the next type, and a tag of its own."""
        self.made += 1
        kind = TYPES[self.made % len(TYPES)]
        machine["tags"] = [
            f"tag:service-type-{kind}",
            "tag:env-production",
            f"tag:build-{self.made}",
        ]
