"""What a list proves: a device list is believed whole or not at all.

Anything not verified changes nothing. The suffix of a name never excludes a single device; it only
tells whether the answer is about the right tailnet.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from discovery.tailnet import Device, DeviceList

MAX_FAILURES = 3
"""Failed polls in a row, and missed intervals, after which a tailnet counts as not fresh."""


class Cause(StrEnum):
    """Why a tailnet's list is not fresh: the reason of condition SourceFresh."""

    EMPTY_LIST = "EmptyList"
    UNREADABLE_LIST = "UnreadableList"
    TAILNET_MISMATCH = "TailnetMismatch"
    TAGS_MISSING = "TagsMissing"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    UNREACHABLE = "Unreachable"
    MALFORMED_ANSWER = "MalformedAnswer"
    REQUEST_REJECTED = "RequestRejected"
    LIST_INCOMPLETE = "ListIncomplete"
    NOT_CONFIGURED = "NotConfigured"
    NOT_READ_YET = "NotReadYet"


AT_ONCE = frozenset(
    {
        Cause.EMPTY_LIST,
        Cause.UNREADABLE_LIST,
        Cause.TAILNET_MISMATCH,
        Cause.TAGS_MISSING,
        Cause.CREDENTIALS_REFUSED,
        Cause.LIST_INCOMPLETE,
        Cause.NOT_CONFIGURED,
    }
)
"""Causes that no repetition explains away: they are told at the first poll that shows them."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a list is not verified. ``message`` is a sentence for people, without a time in it."""

    cause: Cause
    message: str


@dataclass(frozen=True, slots=True)
class Outage:
    """Polls that failed in a row: since when, how many, and what the last one said."""

    doubt: Doubt
    since: datetime
    failures: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether a tailnet's last list may be called fresh, and the reason and message to show."""

    fresh: bool
    reason: str
    message: str


def doubt(
    listed: DeviceList, domains: tuple[str, ...], known_tagged: Collection[str]
) -> Doubt | None:
    """Return why the list is not to be believed, or None when it is verified.

    ``domains`` are the tailnet's, the first completing bare labels; ``known_tagged`` are the node
    IDs that the last verified list, or the EndpointSlices after a restart, showed with tags.
    """
    if not listed.devices:
        if listed.unknown:
            text = f"none of the {len(listed.unknown)} devices in the list could be read"
            return Doubt(Cause.UNREADABLE_LIST, f"{text}; {listed.unknown[0].problem}")
        return Doubt(Cause.EMPTY_LIST, "the control plane answered with an empty device list")
    own = [d.name for d in listed.devices if d.name and not d.is_external]
    inside = sum(in_domains(name, domains) for name in own)
    if inside * 2 <= len(own):
        return Doubt(
            Cause.TAILNET_MISMATCH,
            f"only {inside} of {len(own)} device names end in {' or '.join(domains)}; "
            "the credentials may be another tailnet's, or domains lacks a name of this one",
        )
    bare = sum(not d.tags for d in listed.devices if d.node_id in known_tagged)
    if bare * 2 > len(known_tagged):
        return Doubt(
            Cause.TAGS_MISSING,
            f"{bare} of {len(known_tagged)} devices that had tags are listed without any",
        )
    return None


def in_domains(name: str, domains: tuple[str, ...]) -> bool:
    """Tell whether a device name is of one of the domains; a bare label is of the first."""
    return "." not in name or name.lower().endswith(tuple(f".{d.lower()}" for d in domains))


def common_domain(devices: Iterable[Device]) -> str | None:
    """Return the MagicDNS suffix that most non-external devices carry; ties go to the first name.

    None where no device has a name with a suffix (Headscale lists bare labels).
    """
    suffixes = Counter(d.name.partition(".")[2].lower() for d in devices if not d.is_external)
    del suffixes[""]
    return min(suffixes, key=lambda suffix: (-suffixes[suffix], suffix), default=None)


def freshness(
    tailnet: str,
    last_verified: datetime | None,
    outage: Outage | None,
    interval: timedelta,
    now: datetime,
) -> Freshness:
    """Return whether the tailnet's list is fresh at ``now``, in words that stay the same.

    Messages say since when and never how old, so that an outage is written once.
    """
    late = last_verified is not None and now - last_verified > MAX_FAILURES * interval
    if outage is not None and (
        late
        or last_verified is None
        or outage.failures >= MAX_FAILURES
        or outage.doubt.cause in AT_ONCE
    ):
        message = f"Since {spelled(outage.since)}: {outage.doubt.message}."
        if last_verified is not None:
            message += " The last verified list stands."
        return Freshness(fresh=False, reason=outage.doubt.cause, message=message)
    if last_verified is None:
        message = f"No device list of {tailnet} has been read yet."
        return Freshness(fresh=False, reason=Cause.NOT_READ_YET, message=message)
    if late:
        message = f"No device list of {tailnet} was read since {spelled(last_verified)}."
        return Freshness(fresh=False, reason=Cause.UNREACHABLE, message=message)
    message = f"The device list of {tailnet} is verified."
    return Freshness(fresh=True, reason="Verified", message=message)


def spelled(time: datetime) -> str:
    """Return a time (UTC) as status spells it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
