"""Time as the driver of a chaos run says it is."""

import asyncio
from datetime import datetime, timedelta


class DrivenClock:
    """A clock that stands still until it is set. Pauses of clients pass at once."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._slept = 0.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Seconds of pauses so far."""
        return self._slept

    async def sleep(self, seconds: float) -> None:
        """Let a pause pass."""
        self._slept += seconds
        await asyncio.sleep(0)

    def after(self, pause: timedelta) -> datetime:
        return self.now + pause
