"""The types of single fields of TailscaleEndpoints: their forms, bounds and messages."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from discovery.addresses import NOT_IN_TAILNET, RANGES, RESERVED, is_tailnet_text
from discovery.durations import (
    DURATION_FORM,
    DURATION_PATTERN,
    MAX_LENGTH,
    format_duration,
    parse_duration,
)
from discovery.rules import CEL_RULES, cel, cel_rule, pattern_rule, violation
from discovery.targets import (
    HIGHEST_PORT,
    LOCALHOST_PATTERN,
    NUMBER_PATTERN,
    TARGET_FORM,
    TARGET_IS_LOCAL,
    TARGET_PATTERN,
    has_target_form,
    is_not_local,
)

DNS_LABEL_FORM: Final = (
    "must be a DNS label: lower-case letters, digits and dashes, at most 63, and no dash at "
    "either end"
)
SERVICE_NAME_FORM: Final = (
    "must be a name that a Service can have: lower-case letters, digits and dashes, at most 63, "
    "beginning with a letter and not ending in a dash"
)
OBJECT_NAME_FORM: Final = (
    "must be a DNS name: lower-case letters, digits, dashes and dots, beginning and ending with a "
    "letter or a digit"
)
FQDN_FORM: Final = "must be a full DNS name, such as api-1.company.ts.net"
TAILNET_FORM: Final = "must be a tailnet's domain, such as company.ts.net"
ACL_TAG_FORM: Final = "must be an ACL tag: tag:, a letter, then letters, digits and dashes"
PATH_FORM: Final = "must begin with a slash and hold neither spaces nor control characters"
HEADER_NAME_FORM: Final = "must be the name of an HTTP header"
HEADER_VALUE_FORM: Final = "must be one line, without control characters"
DURATION_BOUNDS: Final = "must be between 1s and 1h"

SERVICE_NAME_PATTERN: Final = "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
HEADER_NAME_PATTERN: Final = "^[-!#$%&'*+.^_`|~0-9A-Za-z]+$"
OBJECT_NAME_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_LABEL: Final = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(hours=1)


class Model(BaseModel):
    """What all types of the API have in common: frozen, aliases of their own, unknown fields pass.

    The API server prunes unknown fields, so a manifest that was written for a later version works;
    :mod:`discovery.parsing` reports them as warnings.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        # As the API server has it: it prunes nulls before it fills in defaults.
        if isinstance(value, dict):
            return {name: field for name, field in value.items() if field is not None}
        return value

    def to_object(self) -> dict[str, Any]:
        """Return the value as a manifest has it: camelCase, only the fields that were given."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


class Protocol(StrEnum):
    """The protocol that a backend speaks."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TCP = "TCP"
    UDP = "UDP"
    TLS = "TLS"
    GRPC = "gRPC"


class HealthCheckType(StrEnum):
    """How a health check asks."""

    HTTP = "HTTP"
    TCP = "TCP"
    UDP = "UDP"
    GRPC = "gRPC"
    TLS = "TLS"


class AddressFamily(StrEnum):
    """An IP version, spelled as in EndpointSlices."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


class RemovalPolicy(StrEnum):
    """How removals are guarded."""

    CONFIRM = "Confirm"
    APPROVE = "Approve"
    UNGUARDED = "Unguarded"


class ServiceType(StrEnum):
    """The type of the companion Service."""

    HEADLESS = "Headless"
    CLUSTER_IP = "ClusterIP"


class SharePolicy(StrEnum):
    """Whether other clusters may register the same VIP service."""

    EXCLUSIVE = "Exclusive"
    SHARED = "Shared"


class Mode(StrEnum):
    """Whether the controller writes, or only reports what it would write."""

    ENFORCE = "Enforce"
    OBSERVE = "Observe"


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except ValueError:
        raise violation(DURATION_FORM) from None


def _within_bounds(duration: timedelta) -> timedelta:
    if not _SHORTEST <= duration <= _LONGEST:
        raise violation(DURATION_BOUNDS)
    return duration


def _utc_seconds(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(microsecond=0)


def _address_expression() -> str:
    """Return the CEL form of :func:`discovery.addresses.is_tailnet_text`."""

    def of(version: int) -> str:
        inside = [f"cidr('{net}').containsIP(self)" for net in RANGES if net.version == version]
        outside = [f"!cidr('{net}').containsIP(self)" for net in RESERVED if net.version == version]
        return " && ".join([*inside, *outside])

    return f"isIP(self) && ip.isCanonical(self) && (ip(self).family() == 4 ? {of(4)} : {of(6)})"


_HOST: Final = "self.substring(0, self.lastIndexOf(':'))"
_BRACKETED: Final = "self.substring(1, self.lastIndexOf(':') - 1)"
_PORT: Final = "self.substring(self.lastIndexOf(':') + 1)"
_FORM_EXPRESSION: Final = (
    f"self.matches(r'{TARGET_PATTERN}') && int({_PORT}) <= {HIGHEST_PORT} && (self.startsWith('[') "
    f"? isIP({_BRACKETED}) && ip({_BRACKETED}).family() == 6 "
    f": !{_HOST}.matches(r'{NUMBER_PATTERN}') || isIP({_HOST}))"
)


def _is_local_expression(host: str) -> str:
    return " || ".join(
        f"ip({host}).{test}()" for test in ("isLoopback", "isLinkLocalUnicast", "isUnspecified")
    )


# The API server reckons a rule's cost from the longest text and 1000 endpoints: the guard, without
# which a text that is no target at all would be an error of this rule, is a short pattern.
_NOT_LOCAL_EXPRESSION: Final = (
    "!self.matches('^.+:[0-9]+$') || !(self.startsWith('[') "
    f"? isIP({_BRACKETED}) && ({_is_local_expression(_BRACKETED)}) "
    f": isIP({_HOST}) ? {_is_local_expression(_HOST)} : {_HOST}.matches(r'{LOCALHOST_PATTERN}'))"
)

Text = Annotated[str, Strict(), StringConstraints(max_length=253)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=2**31 - 1, json_schema_extra={"format": "int32"})]
Generation = Annotated[int, Strict(), Field(ge=0, json_schema_extra={"format": "int64"})]
PortNumber = Annotated[int, Strict(), Field(ge=1, le=65535, json_schema_extra={"format": "int32"})]
Threshold = Annotated[int, Strict(), Field(ge=1, le=10, json_schema_extra={"format": "int32"})]
Percent = Annotated[int, Strict(), Field(ge=1, le=100, json_schema_extra={"format": "int32"})]
HTTPStatus = Annotated[int, Strict(), Field(ge=100, le=599, json_schema_extra={"format": "int32"})]

DNSLabel = Annotated[
    str,
    Strict(),
    StringConstraints(max_length=63),
    pattern_rule("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", DNS_LABEL_FORM),
]
ServiceName = Annotated[
    str,
    Strict(),
    StringConstraints(max_length=63),
    pattern_rule("^([a-z]([-a-z0-9]*[a-z0-9])?)?$", SERVICE_NAME_FORM),
]
Tailnet = Annotated[Text, pattern_rule("^[A-Za-z0-9]([-A-Za-z0-9._@]*[A-Za-z0-9])?$", TAILNET_FORM)]
FQDN = Annotated[Text, pattern_rule(f"^{_LABEL}([.]{_LABEL})*[.]?$", FQDN_FORM)]
ACLTag = Annotated[Text, pattern_rule("^tag:[A-Za-z][A-Za-z0-9-]*$", ACL_TAG_FORM)]
ObjectName = Annotated[Text, pattern_rule(OBJECT_NAME_PATTERN, OBJECT_NAME_FORM)]
HeaderName = Annotated[Text, pattern_rule(HEADER_NAME_PATTERN, HEADER_NAME_FORM)]
HeaderValue = Annotated[
    str,
    Strict(),
    StringConstraints(max_length=4096),
    pattern_rule(r"^[^\x00-\x08\x0a-\x1f\x7f]*$", HEADER_VALUE_FORM),
]
HTTPPath = Annotated[
    str,
    Strict(),
    StringConstraints(max_length=1024),
    pattern_rule(r"^/[^\x00-\x20\x7f]*$", PATH_FORM),
]
TailnetAddress = Annotated[
    str,
    Strict(),
    StringConstraints(max_length=45),
    cel_rule(NOT_IN_TAILNET, is_tailnet_text, _address_expression()),
]
ExternalTarget = Annotated[
    Text,
    cel_rule(TARGET_FORM, has_target_form, _FORM_EXPRESSION),
    cel_rule(TARGET_IS_LOCAL, is_not_local, _NOT_LOCAL_EXPRESSION),
]
# The pattern refuses another form; CEL would add that it can not convert it.
_BOUNDS_EXPRESSION: Final = (
    f"!self.matches(r'{DURATION_PATTERN}')"
    " || (duration(self) >= duration('1s') && duration(self) <= duration('1h'))"
)
Duration = Annotated[
    timedelta,
    Strict(),
    BeforeValidator(_duration),
    AfterValidator(_within_bounds),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_LENGTH,
            "pattern": DURATION_PATTERN,
            CEL_RULES: [cel(_BOUNDS_EXPRESSION, DURATION_BOUNDS)],
        }
    ),
]
"""Between 1s and 1h, read and written as text."""

Time = Annotated[
    AwareDatetime,
    AfterValidator(_utc_seconds),
    PlainSerializer(lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]
"""UTC, in whole seconds, as Kubernetes writes times."""
