"""Everything that the simulator serves, and every switch that a test can turn."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from discovery.simulator.clock import Clock
from discovery.simulator.credentials import Credentials
from discovery.simulator.devices import label
from discovery.simulator.faults import Faults
from discovery.simulator.hosting import Hosting
from discovery.simulator.refusals import JSONObject
from discovery.simulator.services import Services
from discovery.simulator.webhooks import Webhooks

DEFAULT_TAILNET: Final = "company.ts.net"

_KEPT_CALLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API: ``route`` is its method and path with the names of its values."""

    route: str
    path: str
    query: str
    status: int | None
    authorization: str
    user_agent: str


class Calls:
    """The requests so far. ``status`` None is a request that was never answered."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_KEPT_CALLS)
        self._counts: Counter[str] = Counter()

    def add(self, call: Call) -> None:
        """Note a request."""
        self._calls.append(call)
        self._counts[call.route] += 1

    def count(self, route: str) -> int:
        """Return how often a route was asked: ``GET /api/v2/tailnet/{tailnet}/devices``."""
        return self._counts[route]

    def latest(self) -> list[Call]:
        """Return the last requests, oldest first."""
        return list(self._calls)

    def clear(self) -> None:
        """Begin counting anew."""
        self._calls.clear()
        self._counts.clear()

    def body(self) -> JSONObject:
        """Return all of it as the control interface serves it."""
        return {
            "total": self._counts.total(),
            "counts": dict(sorted(self._counts.items())),
            "calls": [asdict(call) for call in self._calls],
        }


class SimulatorState:
    """A tailnet: devices and Services in the API's own form, credentials, faults, clock, requests.

    ``devices`` are kept as they are given, so that a test can serve whatever it likes, and may be
    replaced or edited at any time. ``tags`` are known to the tailnet's policy besides those that
    devices and the given Services have.
    """

    def __init__(
        self,
        tailnet: str = DEFAULT_TAILNET,
        *,
        devices: Iterable[Any] = (),
        services: Iterable[JSONObject] = (),
        tags: Iterable[str] = (),
    ) -> None:
        self.tailnet = tailnet
        self.devices: list[Any] = list(devices)
        self.tags = set(tags)
        self.clock = Clock()
        self.credentials = Credentials(self.clock)
        self.faults = Faults()
        self.hosting = Hosting()
        self.webhooks = Webhooks(self.clock)
        self.calls = Calls()
        self.services = Services()
        self.replace_services(services)

    def replace_services(self, services: Iterable[JSONObject]) -> None:
        """Serve other Services; their tags count as known from then on."""
        given = list(services)
        self.services = Services(given)
        self.tags.update(tag for one in given for tag in one.get("tags") or ())

    def put_service(self, name: str, body: Any) -> JSONObject:
        """Create, replace or rename a Service by the API's rules, and return it as stored."""
        machines = self._machines()
        stored = self.services.put(
            name,
            body,
            labels={label(device) for device in machines},
            tags=self.tags.union(*(_texts(device.get("tags")) for device in machines)),
            addresses=[text for device in machines for text in _texts(device.get("addresses"))],
        )
        if stored["name"] != name:
            self.hosting.rename(name, stored["name"])
        return stored

    def delete_service(self, name: str) -> None:
        """Delete a Service and what was known of its hosts; 404 where there is none."""
        self.services.delete(name)
        self.hosting.forget(name)

    def _machines(self) -> list[JSONObject]:
        """Return the tailnet's own devices: those shared in have other names and tags."""
        return [one for one in self.devices if isinstance(one, dict) and not one.get("isExternal")]


def _texts(value: Any) -> Sequence[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
