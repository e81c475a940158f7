"""Everything that can go wrong in a chaos run, by name."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from tests.controlplane import faults
from tests.controlplane.faults import Fault

OF_LISTS: Final = (
    *("503", "500", "429:1", "429:60", "401", "403", "404", "html", "html:200", "html:404"),
    *("body:{}", "body:null", "body:[]", "slow:0.2", "drop", "lost", "truncated"),
    *("missing-scope", "empty", "half", "untagged", "foreign"),
    *("malformed:addresses", "malformed:nodeId", "malformed:id", "malformed:tags"),
    "malformed:entry",
)
"""Rules of the simulator for the device list."""

OF_ANSWERS: Final = (
    *("503", "500", "429:1", "401", "403", "html:200", "html:404", "body:{}", "body:null"),
    *("slow:0.1", "slow:5", "drop", "lost", "truncated", "missing-scope"),
)
"""Rules of the simulator for single machines. None says that a machine is not there that is."""

OBJECTS: Final = r"/(endpointslices|tailscaleendpoints|services)(/|\?|$)"
WRITES: Final = "POST|PUT|PATCH|DELETE"

_Make = Callable[[Random], list[Fault]]


def _objects(act: faults.Act, method: str = ".*") -> _Make:
    def make(random: Random) -> list[Fault]:
        times = random.choice([1, 2, 5, None])
        return [Fault(act, method=method, path=OBJECTS, watch=False, times=times)]

    return make


def _watches(act: faults.Act) -> _Make:
    def make(random: Random) -> list[Fault]:
        return [Fault(act, path=OBJECTS, watch=True, times=random.choice([1, 3, 9]))]

    return make


OF_API_SERVER: Final[Mapping[str, _Make]] = {
    "watch expired": _watches(faults.watch_expired()),
    "watch ends": _watches(faults.watch_ends()),
    "watch refused": _watches(faults.server_error()),
    "watch silent": lambda _: [Fault(faults.hang(0), path=OBJECTS, watch=True, times=None)],
    "connections cut": lambda _: [],
    "5xx": _objects(faults.server_error()),
    "502 page": _objects(faults.bad_gateway()),
    "429": _objects(faults.too_many_requests(1)),
    "dropped": _objects(faults.drop()),
    "reset": _objects(faults.reset()),
    "answer lost": _objects(faults.answer_lost(), WRITES),
    "writes refused": _objects(faults.forbidden(), WRITES),
    "conflicts": _objects(faults.status(409, "Conflict", "injected"), WRITES),
    "slow": _objects(faults.delay(0.05)),
}
"""What happens between a controller and its API server; those of watches cut the open ones."""

CUTS: Final = frozenset(
    {"watch expired", "watch ends", "watch refused", "watch silent", "connections cut"}
)


def rule(text: str, area: str, random: Random) -> str:
    """Return a rule of the simulator, for all requests of a poll or for the first ones."""
    return f"{text}@{area}{random.choice(['', '', 'x1', 'x2'])}"
