"""What in a resource is allowed but probably not meant."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from discovery.durations import format_duration
from discovery.findings import Finding, Path
from discovery.rules import repeated
from discovery.v1alpha1 import HealthCheck, Protocol, TailscaleEndpoints, TailscaleEndpointsSpec
from discovery.v1alpha1_fields import HEADER_NAME_FORM, HEADER_NAME_PATTERN
from tagselectors import Operator, TagSelector

DEFAULT_PORT: Final = (
    "is empty: discovered devices get port 80/HTTP unless they carry tags such as tag:port-8080"
)
NOT_ENABLED: Final = "is not enabled, so nothing is checked: set enabled: true, or leave it out"
NO_SELECTOR: Final = "has no effect without tagSelectors or tagSelectorTerms"
READABLE_HEADER: Final = (
    "can be read by anybody who may read the resource: take it from a Secret with headersFrom"
)
ONLY_NEGATIVE: Final = (
    "only excludes, so nearly every tagged device matches: add a requirement with In or Exists"
)
SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


def warnings_of(resource: TailscaleEndpoints) -> tuple[Finding, ...]:
    """Return what is doubtful in a resource, in the order of its fields."""
    spec = resource.spec
    found = (
        *_static(spec),
        *_vip_services(spec),
        *_selectors(spec),
        *_discovery(spec),
    )
    return tuple(Finding(("spec", *path), message) for path, message in found)


def _static(spec: TailscaleEndpointsSpec) -> Iterator[Finding]:
    for at, endpoint in enumerate(spec.endpoints):
        if endpoint.health_check is not None:
            yield from _health_check(endpoint.health_check, ("endpoints", at, "healthCheck"))
    places = [(e.tailscale_ip, e.port, e.protocol is Protocol.UDP) for e in spec.endpoints]
    for at in repeated(places):
        first = spec.endpoints[places.index(places[at])].name
        message = f"has the address and port of endpoint {first}, so it is left out"
        yield Finding(("endpoints", at), message)


def _vip_services(spec: TailscaleEndpointsSpec) -> Iterator[Finding]:
    if spec.service_discovery is None or spec.selector.terms:
        return
    names = {endpoint.name for endpoint in spec.endpoints}
    for at, service in enumerate(spec.service_discovery.vip_services):
        if service.target_endpoint not in names:
            path = ("serviceDiscovery", "vipServices", at, "targetEndpoint")
            yield Finding(path, f"is no endpoint of this resource: {service.target_endpoint}")


def _selectors(spec: TailscaleEndpointsSpec) -> Iterator[Finding]:
    if spec.tag_selectors:
        yield from _requirements(spec.tag_selectors, ("tagSelectors",))
    for at, term in enumerate(spec.tag_selector_terms):
        yield from _requirements(term.match_tags, ("tagSelectorTerms", at, "matchTags"))


def _requirements(requirements: Sequence[TagSelector], path: Path) -> Iterator[Finding]:
    negative = {Operator.NOT_IN, Operator.DOES_NOT_EXIST}
    if all(requirement.operator in negative for requirement in requirements):
        yield Finding(path, ONLY_NEGATIVE)
    for at, requirement in enumerate(requirements):
        for position in repeated(requirement.values):
            value = requirement.values[position]
            yield Finding((*path, at, "values", position), f'lists "{value}" a second time')


def _discovery(spec: TailscaleEndpointsSpec) -> Iterator[Finding]:
    path = ("discovery", "ports")
    ports = spec.discovery.ports
    if not spec.selector.terms:
        if "discovery" in spec.model_fields_set:
            yield Finding(("discovery",), NO_SELECTOR)
    elif not ports:
        yield Finding(path, DEFAULT_PORT)
    for at, port in enumerate(ports):
        if port.health_check is not None:
            yield from _health_check(port.health_check, (*path, at, "healthCheck"))
    numbers = [(port.port, port.protocol is Protocol.UDP) for port in ports]
    for at in repeated(numbers):
        first = ports[numbers.index(numbers[at])].name
        message = f"has the number and transport of port {first}; one of the two is not offered"
        yield Finding((*path, at, "port"), message)


def _health_check(check: HealthCheck, path: Path) -> Iterator[Finding]:
    if not check.enabled:
        yield Finding(path, NOT_ENABLED)
    if check.time_limit < check.timeout:
        longer, used = format_duration(check.timeout), format_duration(check.time_limit)
        message = f"is longer ({longer}) than the interval, so {used} is used"
        yield Finding((*path, "timeout"), message)
    for name in check.headers:
        if not re.fullmatch(HEADER_NAME_PATTERN.strip("^$"), name, re.ASCII):
            yield Finding((*path, "headers", name), HEADER_NAME_FORM)
        elif name.lower() in SECRET_HEADERS:
            yield Finding((*path, "headers", name), READABLE_HEADER)
