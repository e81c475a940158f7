"""Chance that leaves nothing out."""

from collections.abc import Iterable
from random import Random


class Deck:
    """Deals kinds in random order, each once before any comes again."""

    def __init__(self, kinds: Iterable[str], random: Random) -> None:
        self._kinds = sorted(kinds)
        self._random = random
        self._left: list[str] = []

    def deal(self) -> str:
        """Return the next kind."""
        if not self._left:
            self._left = list(self._kinds)
            self._random.shuffle(self._left)
        return self._left.pop()
