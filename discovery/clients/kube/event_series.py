"""What becomes of repeated and of too many events: values and decisions, without I/O or a clock."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

_K = TypeVar("_K", bound=Hashable)

REMEMBERED: Final = 4096
"""Series and objects that are remembered at most, as in client-go's event cache."""


class Regarding(NamedTuple):
    """The object that an event is about; ``namespace`` is empty for one of the whole cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class Said(NamedTuple):
    """Everything by which two events are the same one, repeated."""

    regarding: Regarding
    type: str
    reason: str
    action: str
    note: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is written at most; times in seconds.

    Per object, client-go's spam filter (``tools/record/events_cache.go``): a burst of 25 events and
    one more each 5 minutes. Over all, the kubelet's ``eventBurst`` of 100, and 5 a second, which
    was its rate before 1.27 raised it for nodes with many pods. A series ends after 6 minutes of
    silence and up to 1000 events wait to be sent, as in client-go's ``tools/events``; while it
    goes on it is written once a minute (there each half hour), so that ``kubectl describe`` is of
    use meanwhile.
    """

    queue: int = 1000
    object_burst: float = 25
    object_refill: float = 300.0
    burst: float = 100
    refill: float = 0.2
    series_ends: float = 360.0
    series_refresh: float = 60.0


@dataclass(slots=True)
class Bucket:
    """A token bucket: ``burst`` tokens at first, and one more each ``refill`` seconds."""

    burst: float
    refill: float
    tokens: float
    filled_at: float

    def take(self, now: float) -> bool:
        """Take a token if there is one at the monotonic time ``now``."""
        self._fill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def reserve(self, now: float) -> float:
        """Take a token of now or of later; return the seconds after which it is there."""
        self._fill(now)
        self.tokens -= 1
        return max(0.0, -self.tokens * self.refill)

    def _fill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) / self.refill)
        self.filled_at = now


@dataclass(slots=True)
class Buckets(Generic[_K]):
    """A bucket per key, the least recently used forgotten: a forgotten one is full again."""

    burst: float
    refill: float
    by_key: OrderedDict[_K, Bucket] = field(default_factory=OrderedDict)

    def take(self, key: _K, now: float) -> bool:
        """Take a token of ``key`` if there is one at the monotonic time ``now``."""
        bucket = self.by_key.setdefault(key, Bucket(self.burst, self.refill, self.burst, now))
        self.by_key.move_to_end(key)
        if len(self.by_key) > REMEMBERED:
            self.by_key.popitem(last=False)
        return bucket.take(now)


@dataclass(slots=True)
class Series:
    """One event in the cluster, and how often it was said. Times are monotonic seconds.

    ``written`` is the count that the cluster knows; ``observed`` the time for people.
    """

    name: str
    count: int
    written: int
    observed: datetime
    said_at: float
    due_at: float


class Ledger:
    """The series that are going on."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._series: OrderedDict[Said, Series] = OrderedDict()

    def __len__(self) -> int:
        return len(self._series)

    def begin(self, said: Said, name: str, observed: datetime, now: float) -> None:
        """Remember an event that was just created under ``name``."""
        self._series[said] = Series(name, 1, 1, observed, now, now)
        if len(self._series) > REMEMBERED:
            self._series.popitem(last=False)

    def repeat(self, said: Said, observed: datetime, now: float) -> bool:
        """Count one more of what is said; False where no series of it is going on."""
        series = self._series.get(said)
        if series is None or now - series.said_at >= self._limits.series_ends:
            return False
        series.count += 1
        series.observed, series.said_at = observed, now
        self._series.move_to_end(said)
        return True

    def due(self, now: float) -> list[tuple[Said, Series]]:
        """Return the series whose count is to be written now."""
        return [(said, one) for said, one in self._unwritten() if one.due_at <= now]

    def next_due(self) -> float | None:
        """Return when the next count is to be written; None where none is waiting."""
        return min((one.due_at for _, one in self._unwritten()), default=None)

    def wrote(self, series: Series, count: int, now: float) -> None:
        """Take note of the count that the cluster knows by now, or was refused."""
        series.written = count
        series.due_at = now + self._limits.series_refresh

    def forget(self, said: Said) -> None:
        """End a series whose event is no longer there."""
        self._series.pop(said, None)

    def forget_ended(self, now: float) -> None:
        """Forget the series that ended, once their last count is written."""
        for said, series in list(self._series.items()):
            if now - series.said_at < self._limits.series_ends:
                return  # they are in the order in which they were last said
            if series.count == series.written:
                del self._series[said]

    def _unwritten(self) -> Iterable[tuple[Said, Series]]:
        return ((said, one) for said, one in self._series.items() if one.count > one.written)
