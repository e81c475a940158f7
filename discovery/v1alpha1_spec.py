"""The parts of a TailscaleEndpoints spec: endpoints, Tailscale Services, discovery, the Service."""

from typing import Annotated

from pydantic import Field

from discovery.rules import NOT_EMPTY, UNIQUE_ITEMS, UniqueBy
from discovery.v1alpha1_fields import (
    FQDN,
    ACLTag,
    AddressFamily,
    Count,
    DNSLabel,
    ExternalTarget,
    Flag,
    Model,
    Percent,
    PortNumber,
    Protocol,
    RemovalPolicy,
    ServiceName,
    ServiceType,
    SharePolicy,
    TailnetAddress,
    Text,
)
from discovery.v1alpha1_health import HealthCheck


class StaticEndpoint(Model):
    """One backend that is written down rather than discovered."""

    name: DNSLabel = Field(
        description="Name of the endpoint, a DNS label that is unique in the resource."
    )
    tailscale_ip: TailnetAddress = Field(
        alias="tailscaleIP",
        description="Address of the machine in the tailnet, for example 100.64.0.10: in "
        "100.64.0.0/10 or fd7a:115c:a1e0::/48, outside Tailscale's reserved blocks.",
    )
    tailscale_fqdn: FQDN = Field(
        alias="tailscaleFQDN",
        description="Full name of the machine in the tailnet, for example api-1.company.ts.net. "
        "TLS health checks use it as the server name.",
    )
    port: PortNumber = Field(description="Port on which the machine listens, 1-65535.")
    protocol: Protocol = Field(
        description="Protocol that the backend speaks: HTTP, HTTPS, TCP, UDP, TLS or gRPC."
    )
    external_target: ExternalTarget | None = Field(
        None,
        alias="externalTarget",
        description="host:port outside the tailnet that a gateway route reaches instead of the "
        "tailnet address; IPv6 in brackets. Loopback, link-local and unspecified addresses are "
        "refused.",
    )
    health_check: HealthCheck | None = Field(
        None, alias="healthCheck", description="How the endpoint's health is found out."
    )
    metadata: dict[str, Text] = Field(
        default_factory=dict,
        max_length=32,
        description="Labels that are carried along into status and discovery outputs.",
    )


class VIPServiceSpec(Model):
    """A Tailscale Service that is registered in front of one endpoint."""

    name: DNSLabel = Field(description="Name of the Tailscale Service, without the svc: prefix.")
    port: PortNumber = Field(description="Port that the Tailscale Service offers, 1-65535.")
    target_endpoint: DNSLabel = Field(
        alias="targetEndpoint",
        description="Name of the static or discovered endpoint that serves it. It may come later: "
        "until then the service is Pending.",
    )


class ServiceDiscovery(Model):
    """Tailscale Services (virtual IPs) of the resource."""

    auto_register: Flag = Field(
        default=True,
        alias="autoRegister",
        description="Register each of vipServices with Tailscale; false only reports what exists.",
    )
    vip_services: Annotated[tuple[VIPServiceSpec, ...], UniqueBy("name")] = Field(
        (), alias="vipServices", max_length=64, description="The Tailscale Services, by name."
    )
    tags: Annotated[tuple[ACLTag, ...], UNIQUE_ITEMS] = Field(
        ("tag:k8s",), max_length=16, description="ACL tags of the Tailscale Services."
    )
    share_policy: SharePolicy = Field(
        SharePolicy.EXCLUSIVE,
        alias="sharePolicy",
        description="Exclusive: a service that another cluster owns is refused. Shared: owners of "
        "other clusters may be beside ours.",
    )
    approve_hosts: Flag = Field(
        default=False,
        alias="approveHosts",
        description="Approve the target's device as a host of the Tailscale Service.",
    )


class DiscoveryPort(Model):
    """A port that every discovered device has."""

    name: DNSLabel = Field(description="Name of the port in the Service, unique in the list.")
    port: PortNumber = Field(
        description="Port on which the devices listen, 1-65535. A device's own tag such as "
        "tag:port-8080 replaces it where there is at most one port here."
    )
    protocol: Protocol = Field(
        Protocol.HTTP, description="Protocol: HTTP, HTTPS, TCP, UDP, TLS or gRPC."
    )
    health_check: HealthCheck | None = Field(
        None, alias="healthCheck", description="How the health of each device's port is found out."
    )


class RemovalSpec(Model):
    """How removals of discovered endpoints are guarded; what is absent is as the tailnet has it."""

    policy: RemovalPolicy | None = Field(
        None,
        description="Confirm: removals over the budget wait for confirmations. Approve: they wait "
        "for tailnet-discovery approve. Unguarded: there is no budget.",
    )
    max_percent: Percent | None = Field(
        None,
        alias="maxPercent",
        description="The budget: how many percent of the endpoints may go without waiting, 1-100.",
    )
    confirmations: Annotated[Count, Field(ge=1, le=100)] | None = Field(
        None, description="How many verified device lists must agree on a removal over the budget."
    )


class Discovery(Model):
    """How devices that the selectors match become endpoints."""

    ports: Annotated[tuple[DiscoveryPort, ...], UniqueBy("name")] = Field(
        (), max_length=16, description="Ports of every discovered device; none means 80/HTTP."
    )
    address_families: Annotated[tuple[AddressFamily, ...], NOT_EMPTY, UNIQUE_ITEMS] = Field(
        (AddressFamily.IPV4,),
        alias="addressFamilies",
        max_length=2,
        description="Which addresses of a device become endpoints: IPv4, IPv6 or both.",
    )
    removal: RemovalSpec | None = Field(
        None, description="How removals are guarded; default: as the tailnet's configuration says."
    )


class ServiceTemplate(Model):
    """The companion Service through which workloads and gateways reach the endpoints."""

    enabled: Flag = Field(default=True, description="Create the Service.")
    name: ServiceName = Field("", description="Name of the Service; default: the resource's name.")
    type: ServiceType = Field(
        ServiceType.HEADLESS,
        description="Headless: DNS answers with the endpoints. ClusterIP: one virtual address, "
        "which some gateways need.",
    )
