"""Findings: something about one place of an object, for people."""

from typing import NamedTuple

Path = tuple[str | int, ...]
"""The steps from the top of an object: names of fields, and positions in lists from 0."""


class Finding(NamedTuple):
    """What is wrong, or doubtful, and where; without a path, with the object as a whole."""

    path: Path
    message: str

    @property
    def field(self) -> str:
        """The place as Kubernetes spells it: ``spec.endpoints[2].tailscaleIP``."""
        text = ""
        for step in self.path:
            if isinstance(step, int) or "." in step or "/" in step:
                text += f"[{step}]"
            else:
                text += f".{step}" if text else step
        return text

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.path else self.message
