"""The answer of one check."""

from dataclasses import dataclass
from enum import StrEnum

from discovery.clients.errors import one_line


class Result(StrEnum):
    """How a check ended. A warning is something that may be meant; a failure keeps us from work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was asked, of which tailnet (empty: of none), and what came of it.

    ``detail`` says what was found and, unless all is well, what to do.
    """

    name: str
    result: Result
    detail: str
    tailnet: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", one_line(self.detail))
