"""Label values that are known beforehand: each of them is there from the start with the value 0."""

from enum import StrEnum
from typing import Final

from discovery.plan.gate import Exclusion

VERIFIED: Final = "Verified"
KINDS: Final = ("Service", "EndpointSlice")
READY: Final = ("true", "false", "unknown")
ANSWERS: Final = ("gone", "present", "unclear")
DROPPED: Final = ("queue", "rate", "refused")
GATES: Final = (
    Exclusion.UNTAGGED,
    Exclusion.EXTERNAL,
    Exclusion.UNAUTHORIZED,
    Exclusion.KEY_EXPIRED,
    Exclusion.SHIELDS_UP,
    Exclusion.TAILNET_LOCK,
    Exclusion.NO_ADDRESS,
    Exclusion.DENIED_ADDRESS,
)
"""What excludes a device from a whole tailnet; the other reasons are a resource's own."""


class Result(StrEnum):
    """How a pass over a resource ended."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
