"""The simulator's clock: the real time, plus what it has been moved by."""

import time
from datetime import UTC, datetime


class Clock:
    """Seconds since 1970, and a hand to move them: tests let tokens expire without waiting."""

    def __init__(self) -> None:
        self._moved = 0.0

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time() + self._moved

    def advance(self, seconds: float) -> None:
        """Move the clock; a negative number moves it back."""
        self._moved += seconds

    def text(self) -> str:
        """Return the time as the API writes it: RFC 3339, whole seconds, UTC."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
