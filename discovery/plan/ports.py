"""Ports of endpoints and Services, as values."""

from dataclasses import dataclass
from enum import StrEnum


class Transport(StrEnum):
    """The transport of a port, as Kubernetes spells it."""

    TCP = "TCP"
    UDP = "UDP"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One port of an endpoint as its EndpointSlices carry it, or one of the Service.

    ``number`` is 1-65535; ``app_protocol`` is empty where Kubernetes should have none; ``checked``
    says that a health check decides its readiness, which gives the port slices of its own
    (conditions are per endpoint, checks are per port).
    """

    name: str
    number: int
    transport: Transport = Transport.TCP
    app_protocol: str = ""
    checked: bool = False
