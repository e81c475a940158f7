"""TailscaleEndpoints v1alpha1: what a user asks for, as values; the CRD is generated from them.

Attributes are snake_case and their aliases are the API's camelCase names. Lists are tuples. Every
model refuses what the CRD refuses, with the same sentence; what is accepted but probably not meant
is in :mod:`discovery.v1alpha1_warnings`.
"""

import re
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, cast

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from discovery.rules import CEL_RULES, NOT_EMPTY, UniqueBy, cel, violation
from discovery.v1alpha1_fields import (
    SERVICE_NAME_PATTERN,
    AddressFamily,
    DNSLabel,
    Generation,
    Mode,
    Model,
    ObjectName,
    Protocol,
    RemovalPolicy,
    ServiceType,
    SharePolicy,
    Tailnet,
    Time,
)
from discovery.v1alpha1_health import HeaderFrom, HealthCheck, HealthCheckType, SecretKeyRef
from discovery.v1alpha1_spec import (
    Discovery,
    DiscoveryPort,
    RemovalSpec,
    ServiceDiscovery,
    ServiceTemplate,
    StaticEndpoint,
    VIPServiceSpec,
)
from discovery.v1alpha1_status import (
    Condition,
    EndpointStatus,
    EndpointVerdict,
    RemovalStatus,
    TailscaleEndpointsStatus,
    VIPServiceHosts,
    VIPServiceStatus,
)
from tagselectors import Selector, SelectorTerms, TagSelector

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "PLURAL",
    "VERSION",
    "AddressFamily",
    "Condition",
    "Discovery",
    "DiscoveryPort",
    "EndpointStatus",
    "EndpointVerdict",
    "HeaderFrom",
    "HealthCheck",
    "HealthCheckType",
    "Key",
    "Mode",
    "ObjectMeta",
    "Protocol",
    "RemovalPolicy",
    "RemovalSpec",
    "RemovalStatus",
    "SecretKeyRef",
    "ServiceDiscovery",
    "ServiceTemplate",
    "ServiceType",
    "SharePolicy",
    "StaticEndpoint",
    "TagSelectorTerm",
    "TailscaleEndpoints",
    "TailscaleEndpointsSpec",
    "TailscaleEndpointsStatus",
    "VIPServiceHosts",
    "VIPServiceSpec",
    "VIPServiceStatus",
    "is_service_name",
]

GROUP: Final = "gateway.tailscale.com"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "gateway.tailscale.com/v1alpha1"
KIND: Final = "TailscaleEndpoints"
PLURAL: Final = "tailscaleendpoints"

NO_SOURCE: Final = "must have at least one of endpoints, tagSelectors and tagSelectorTerms"
BOTH_SELECTORS: Final = (
    "must not be there together with tagSelectors: make those the first of the tagSelectorTerms"
)
NAME_NEEDS_SERVICE_NAME: Final = (
    "must be a name that a Service can have (lower-case letters, digits and dashes, at most 63, "
    "beginning with a letter), or spec.service.name must be set"
)
TAILNET_IS_FIXED: Final = "can not be changed: create another resource for another tailnet"


def is_service_name(name: str) -> bool:
    """Tell whether a Service can have this name (an RFC 1035 label)."""
    return re.fullmatch(SERVICE_NAME_PATTERN.strip("^$"), name, re.ASCII) is not None


class Key(NamedTuple):
    """What identifies a resource in a cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def _known_fields(value: object) -> object:
    """Drop what this version does not know, as the other types do."""
    if not isinstance(value, dict):
        return value
    known = TagSelector.model_fields
    return {name: value[name] for name in value if name in known and value[name] is not None}


TagRequirement = Annotated[TagSelector, BeforeValidator(_known_fields)]


class TagSelectorTerm(Model):
    """Requirements of which all must hold."""

    match_tags: Annotated[tuple[TagRequirement, ...], NOT_EMPTY] = Field(
        alias="matchTags",
        max_length=16,
        description="Requirements on the tags of a device; all must hold.",
    )


class TailscaleEndpointsSpec(Model):
    """What is wanted: static endpoints, discovered ones, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            CEL_RULES: [
                cel(
                    "has(self.endpoints) || has(self.tagSelectors) || has(self.tagSelectorTerms)",
                    NO_SOURCE,
                    reason="Required",
                ),
                cel(
                    "!has(self.tagSelectors) || !has(self.tagSelectorTerms)",
                    BOTH_SELECTORS,
                    field="tagSelectorTerms",
                    reason="Forbidden",
                ),
            ]
        }
    )

    tailnet: Tailnet = Field(
        description="Domain of the tailnet, for example company.ts.net: selects the tailnet of "
        "that name in the controller's configuration. Can not be changed.",
        json_schema_extra={CEL_RULES: [cel("self == oldSelf", TAILNET_IS_FIXED)]},
    )
    endpoints: Annotated[tuple[StaticEndpoint, ...], UniqueBy("name")] = Field(
        (), max_length=1000, description="Static endpoints, by name."
    )
    service_discovery: ServiceDiscovery | None = Field(
        None, alias="serviceDiscovery", description="Tailscale Services (virtual IPs)."
    )
    tag_selectors: Annotated[tuple[TagRequirement, ...], NOT_EMPTY] = Field(
        (),
        alias="tagSelectors",
        max_length=16,
        description="Discovery by tags: a device is selected when all of these hold.",
    )
    tag_selector_terms: Annotated[tuple[TagSelectorTerm, ...], NOT_EMPTY] = Field(
        (),
        alias="tagSelectorTerms",
        max_length=16,
        description="Discovery by tags with alternatives: a device is selected when one term "
        "holds. Not together with tagSelectors.",
    )
    discovery: Discovery = Field(
        Discovery(), description="How selected devices become endpoints: ports, addresses, removal."
    )
    service: ServiceTemplate = Field(ServiceTemplate(), description="The companion Service.")
    mode: Mode = Field(
        Mode.ENFORCE,
        description="Enforce writes Service, slices and Tailscale Services. Observe only reports "
        "in status what would have been written.",
    )

    @model_validator(mode="after")
    def _has_one_kind_of_source(self) -> Self:
        present = self.model_fields_set
        if not present & {"endpoints", "tag_selectors", "tag_selector_terms"}:
            raise violation(NO_SOURCE)
        if {"tag_selectors", "tag_selector_terms"} <= present:
            raise violation(BOTH_SELECTORS, "tagSelectorTerms")
        return self

    @property
    def selector(self) -> SelectorTerms:
        """What selects devices; without any selector, terms that match nothing."""
        if self.tag_selectors:
            return SelectorTerms((Selector(self.tag_selectors),))
        return SelectorTerms(tuple(Selector(term.match_tags) for term in self.tag_selector_terms))

    def service_name(self, resource_name: str) -> str | None:
        """Return the name of the companion Service, or None where there shall be none."""
        return (self.service.name or resource_name) if self.service.enabled else None


class ObjectMeta(Model):
    """The metadata that this program reads; the rest of Kubernetes' ObjectMeta is left alone."""

    name: ObjectName
    namespace: DNSLabel = "default"
    uid: str = ""
    generation: Generation = 0
    resource_version: str = Field("", alias="resourceVersion")
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    deletion_timestamp: Time | None = Field(None, alias="deletionTimestamp")
    finalizers: tuple[str, ...] = ()


class TailscaleEndpoints(Model):
    """Backends on a tailnet: static endpoints, and machines discovered by their tags."""

    api_version: Literal["gateway.tailscale.com/v1alpha1"] = Field(API_VERSION, alias="apiVersion")
    kind: Literal["TailscaleEndpoints"] = KIND
    metadata: ObjectMeta
    spec: TailscaleEndpointsSpec
    status: TailscaleEndpointsStatus | None = None

    @field_validator("status", mode="wrap")
    @classmethod
    def _unreadable_status_is_none(
        cls, value: Any, handler: ValidatorFunctionWrapHandler
    ) -> TailscaleEndpointsStatus | None:
        # A status is ours to write anew; one of another version must not make a good spec useless.
        try:
            return cast("TailscaleEndpointsStatus | None", handler(value))
        except ValidationError:
            return None

    @model_validator(mode="after")
    def _service_can_be_named(self) -> Self:
        own_name = self.spec.service.name or self.metadata.name
        if not is_service_name(own_name):
            raise violation(NAME_NEEDS_SERVICE_NAME, "metadata.name")
        return self

    @property
    def key(self) -> Key:
        """The namespace and name."""
        return Key(self.metadata.namespace, self.metadata.name)
