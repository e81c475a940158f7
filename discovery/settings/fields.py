"""The forms that single values of the configuration have, and what is said when one has not."""

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from discovery.durations import DURATION_PATTERN, format_duration, parse_duration
from tagselectors import TagGrammar

_LABEL_FORM: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN_FORM: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LISTEN_FORM: Final = r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]*):([0-9]{1,5})"
_NAMESPACE_FORM: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?|([a-z0-9][-a-z0-9]*)?\*"
_TAG_FORM: Final = r"tag:([^\s,*]+\*?|\*)"
_LONGEST_DOMAIN: Final = 253  # RFC 1035, without the trailing dot
_HIGHEST_PORT: Final = 65535

SHORTEST_POLL: Final = timedelta(seconds=1)
LONGEST_POLL: Final = timedelta(hours=1)


def refused(what: str, advice: str) -> PydanticCustomError:
    """Return the error of a value that has the right type and the wrong content.

    ``what`` continues the sentence that the key's path begins: ``is outside 1s to 1h``.
    """
    return PydanticCustomError(
        "refused",
        "{what}. {advice}",
        {"what": what, "advice": advice},
    )


class ListenAddress(NamedTuple):
    """Where a server of ours listens; an empty host is every address, port 0 any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen_address(value: object) -> object:
    if isinstance(value, ListenAddress):
        return value
    match = re.fullmatch(_LISTEN_FORM, value, re.ASCII) if isinstance(value, str) else None
    if match is None or int(match[2]) > _HIGHEST_PORT:
        raise refused("is no listening address", 'Write HOST:PORT, or ":8080" for every address.')
    return ListenAddress(match[1].strip("[]"), int(match[2]))


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    try:
        return parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        advice = 'Write a number with a unit (ms, s, m, h), as in "60s".'
        raise refused("is no duration", advice) from None


def _poll_interval(value: timedelta) -> timedelta:
    if not SHORTEST_POLL <= value <= LONGEST_POLL:
        raise refused("is outside 1s to 1h", "Use 60s unless a quota says otherwise.")
    return value


def no_bool(value: object) -> object:
    """Let a number not be written as true or false."""
    # Python counts true as 1, a reader of the file does not.
    return "true" if isinstance(value, bool) else value


def _network(value: object) -> object:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    advice = "Write a network such as 10.42.0.0/16 or fd00:10::/48."
    if not isinstance(value, str):
        raise refused("is no network", advice)
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        wider = ip_network(value, strict=False)
    except ValueError:
        raise refused("is no network", advice) from None
    raise refused("has bits set behind its prefix", f"Write {wider} if that is meant.")


def _label(value: str) -> str:
    if re.fullmatch(_LABEL_FORM, value) is None:
        raise refused("is no name", "Use lower-case letters, digits and dashes, at most 63.")
    return value


def _domain(value: str) -> str:
    if len(value) > _LONGEST_DOMAIN or re.fullmatch(_DOMAIN_FORM, value) is None:
        raise refused("is no domain name", "Write it in lower case, as in company.ts.net.")
    return value


def _tailnet_name(value: str) -> str:
    return _domain(value) if value else value


def _tag_key(value: str) -> str:
    if value.startswith("tag:"):
        raise refused("is a tag, not a key", "Write env for tags such as tag:env-production.")
    try:
        TagGrammar((value,))
    except ValueError:
        advice = "Write a letter, then letters, digits and dashes, as in service-type."
        raise refused("is no tag key", advice) from None
    return value


def _tag_pattern(value: str) -> str:
    if re.fullmatch(_TAG_FORM, value) is None:
        raise refused("is no tag", "Write tag:NAME; a * is allowed at the end only.")
    return value


def _namespace_pattern(value: str) -> str:
    if re.fullmatch(_NAMESPACE_FORM, value) is None:
        raise refused("is no namespace", "Write its name; a * is allowed at the end only.")
    return value


def split_url(value: str) -> SplitResult | None:
    """Split a base URL; None where it is no URL at all."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _base_url(value: str) -> str:
    parts = split_url(value)
    if parts is None or not parts.scheme or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise refused("is no URL", "Write one such as https://api.tailscale.com.")
    if parts.username is not None or parts.password is not None:
        raise refused("holds a user name or password", "Put credentials under credentials.")
    if parts.query or parts.fragment:
        raise refused("has a query or fragment", "Write scheme, host and path only.")
    return value.rstrip("/") if parts.scheme in {"http", "https"} else value


Listen = Annotated[
    ListenAddress,
    BeforeValidator(_listen_address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_LISTEN_FORM}$"}),
]
PollInterval = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_poll_interval),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_network),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string"}),
]
SmallNumber = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=100)]
InstanceName = Annotated[str, AfterValidator(_label)]
TailnetName = Annotated[str, AfterValidator(_tailnet_name)]
Domain = Annotated[str, AfterValidator(_domain)]
TagKey = Annotated[str, AfterValidator(_tag_key)]
TagPattern = Annotated[str, AfterValidator(_tag_pattern)]
NamespacePattern = Annotated[str, AfterValidator(_namespace_pattern)]
BaseURL = Annotated[str, AfterValidator(_base_url)]
