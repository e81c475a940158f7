"""The status of TailscaleEndpoints v1alpha1: what the controller says about a resource."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, Strict, StringConstraints

from discovery.rules import UniqueBy
from discovery.v1alpha1_fields import Count, Flag, Generation, Model, Text, Time

Message = Annotated[str, Strict(), StringConstraints(max_length=32768)]
Reason = Annotated[
    str,
    Strict(),
    StringConstraints(
        min_length=1, max_length=1024, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
    ),
]


class EndpointVerdict(StrEnum):
    """What is known about the health of one address and port."""

    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    UNKNOWN = "Unknown"
    UNCHECKED = "Unchecked"


class Condition(Model):
    """One aspect of the resource's state, in the form of Kubernetes' own conditions."""

    type: Annotated[str, Strict(), StringConstraints(min_length=1, max_length=316)] = Field(
        description="What the condition is about, for example Ready or SourceFresh."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    observed_generation: Generation = Field(
        0, alias="observedGeneration", description="The metadata.generation that was looked at."
    )
    last_transition_time: Time | None = Field(
        None, alias="lastTransitionTime", description="When the status last changed."
    )
    reason: Reason = Field(description="One word for programs.")
    message: Message = Field("", description="A sentence for people.")


class EndpointStatus(Model):
    """One address and port of an endpoint."""

    name: Text = Field(description="Name of the endpoint.")
    status: EndpointVerdict = Field(
        description="Healthy, Unhealthy, Unknown (no verdict yet) or Unchecked (no health check)."
    )
    last_checked: Time | None = Field(
        None,
        alias="lastChecked",
        description="When a check last finished; it may lag, since it never causes a write.",
    )
    address: Text = Field("", description="address:port, IPv6 in brackets.")
    error: Annotated[str, Strict(), StringConstraints(max_length=1024)] | None = Field(
        None, description="Why the last check failed."
    )
    source: Literal["Static", "TagSelector"] | None = Field(
        None, description="Static: written in the spec. TagSelector: discovered."
    )
    node_id: Text | None = Field(
        None, alias="nodeID", description="Tailscale's ID of the device, where one is known."
    )


class VIPServiceHosts(Model):
    """How many devices serve a Tailscale Service."""

    approved: Count = Field(0, description="Devices that are approved as hosts.")
    configured: Count = Field(0, description="Approved devices that advertise the service.")


class VIPServiceStatus(Model):
    """One Tailscale Service of the resource."""

    name: Text = Field(description="Name of the Tailscale Service, without the svc: prefix.")
    status: Literal["Registered", "Serving", "Pending", "Conflict", "Unsupported", "Error"] = Field(
        description="Registered: it exists. Serving: a host advertises it. Pending: its target is "
        "missing. Conflict: it belongs to somebody else. Unsupported: the control plane has none."
    )
    vip_address: Annotated[str, Strict(), StringConstraints(max_length=45)] | None = Field(
        None, alias="vipAddress", description="Virtual address of the service."
    )
    last_updated: Time | None = Field(
        None, alias="lastUpdated", description="When the registration last changed."
    )
    hosts: VIPServiceHosts | None = Field(None, description="Devices that serve it.")


class WaitingRemovals(Model):
    """Devices whose endpoints wait for removal, and for which the same has been seen."""

    cause: Literal["Absent", "Untagged", "Ineligible", "ConfigChanged", "SpecChanged"] = Field(
        description="Why they are to go."
    )
    since: Time = Field(description="When the first list without them was fetched.")
    confirmations: Count = Field(description="Verified lists that agreed so far.")
    confirmed: Flag = Field(
        default=False, description="Whether the control plane, asked for each, denied it."
    )
    nodes: tuple[Text, ...] = Field(max_length=1000, description="Their node IDs.")


class RemovedEndpoints(Model):
    """Removals that the budget still counts."""

    at: Time = Field(description="When the list was fetched that let them go.")
    size: Count = Field(description="How many discovered endpoints there were.")
    nodes: tuple[Text, ...] = Field(max_length=1000, description="Node IDs of their devices.")


class RemovalStatus(Model):
    """The memory of the removal guard: what waits, and since when."""

    since: Time | None = Field(None, description="When the first of them went missing.")
    confirmations: Count = Field(
        0, description="Verified lists that agreed so far on all that waits."
    )
    last_list: Time | None = Field(
        None, alias="lastList", description="When the last list that counted was fetched."
    )
    plan: Text = Field(
        "", description="Hash of what would be removed; tailnet-discovery approve refers to it."
    )
    names: tuple[Text, ...] = Field(
        (), max_length=256, description="Endpoints that wait for removal, at most 256."
    )
    total: Count = Field(0, description="How many endpoints wait for removal.")
    waiting: tuple[WaitingRemovals, ...] = Field(
        (), max_length=64, description="What is known of each, so that a restart continues."
    )
    removed: tuple[RemovedEndpoints, ...] = Field(
        (), max_length=128, description="Recent removals, which the budget still counts."
    )
    spent: Text = Field("", description="The approval that was used up.")


class TailscaleEndpointsStatus(Model):
    """What the controller last saw and did."""

    observed_generation: Generation = Field(
        0,
        alias="observedGeneration",
        description="The newest metadata.generation of which everything is written.",
    )
    conditions: Annotated[tuple[Condition, ...], UniqueBy("type")] = Field(
        (), max_length=16, description="What is right and wrong; Ready sums it up."
    )
    discovered_endpoints: Count = Field(
        0, alias="discoveredEndpoints", description="How many endpoints come from tags."
    )
    total_endpoints: Count = Field(
        0, alias="totalEndpoints", description="How many endpoints there are."
    )
    healthy_endpoints: Count = Field(
        0, alias="healthyEndpoints", description="How many of them pass all their checks."
    )
    unhealthy_endpoints: Count = Field(
        0, alias="unhealthyEndpoints", description="How many of them fail a check."
    )
    endpoints: tuple[EndpointStatus, ...] = Field(
        (),
        max_length=1000,
        description="One entry per address and port, unhealthy first, then by name; see truncated.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    truncated: Flag = Field(
        default=False,
        description="Whether endpoints lists only some; the EndpointSlices have them all.",
    )
    vip_services: Annotated[tuple[VIPServiceStatus, ...], UniqueBy("name")] = Field(
        (), alias="vipServices", max_length=64, description="Tailscale Services, by name."
    )
    removal: RemovalStatus | None = Field(None, description="Removals that wait.")
    policy_hash: Text = Field(
        "",
        alias="policyHash",
        description="Digest of the tailnet's configuration by which the endpoints were chosen.",
    )
    last_sync: Time | None = Field(
        None, alias="lastSync", description="When everything was last written; it may lag."
    )
