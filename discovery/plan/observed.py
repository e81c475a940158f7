"""What a pass saw and did, as the one value from which status is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from discovery.plan.endpoints import Resolution
from discovery.plan.guard import Decision
from discovery.plan.trust import Freshness


class Sync(StrEnum):
    """How far the writes of a pass came: the reason of condition EndpointsSynced."""

    SYNCED = "Synced"
    OBSERVE_ONLY = "ObserveOnly"
    WRITE_FAILED = "WriteFailed"
    SERVICE_CONFLICT = "ServiceConflict"
    NO_DEVICE_LIST = "NoDeviceList"
    NOT_ACCEPTED = "NotAccepted"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a resource as a whole can not be honoured: reason and message of Accepted=False."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that status is made of.

    ``resolution`` is None where the resource could not be resolved: no verified list yet, or a
    ``rejection``. ``slices`` counts EndpointSlices after the pass; ``detail`` says what Observe
    would have written, which write failed, or whose the Service is. ``foreign_endpoints`` says that
    endpoints of others join ours in the Service. ``ready`` holds the conditions that EndpointSlices
    carry, by address and port name. ``decision`` is the guard's, and ``blocked`` says in words what
    it holds; ``policy_digest`` is that of the configuration by which it judged.
    """

    freshness: Freshness
    sync: Sync
    resolution: Resolution | None = None
    rejection: Rejection | None = None
    detail: str = ""
    slices: int = 0
    foreign_endpoints: bool = False
    ready: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    decision: Decision | None = None
    blocked: str = ""
    policy_digest: str = ""
