from collections.abc import Callable
from typing import Any

import pytest

from discovery.parsing import parse_object
from discovery.v1alpha1_warnings import (
    DEFAULT_PORT,
    NO_SELECTOR,
    NOT_ENABLED,
    ONLY_NEGATIVE,
    READABLE_HEADER,
    warnings_of,
)

Make = Callable[..., dict[str, Any]]

ENV = {"key": "env", "operator": "In", "values": ["production"]}
PORTS = {"ports": [{"name": "http", "port": 80}]}


def warnings(raw: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding.field, finding.message) for finding in warnings_of(parse_object(raw))]


def test_a_resource_as_it_should_be_has_none(object_of: Make, endpoint: Make) -> None:
    check = {"enabled": True, "interval": "10s"}
    raw = object_of(
        endpoints=[endpoint(healthCheck=check)],
        tagSelectors=[ENV],
        discovery={"ports": [{"name": "http", "port": 80, "healthCheck": check}]},
    )
    assert warnings(raw) == []


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"interval": "5s"}, "is longer (10s) than the interval, so 5s is used"),
        (
            {"interval": "1m", "timeout": "90s"},
            "is longer (1m30s) than the interval, so 1m is used",
        ),
    ],
)
def test_a_timeout_above_the_interval_is_clamped(
    object_of: Make, endpoint: Make, check: dict[str, str], message: str
) -> None:
    raw = object_of(endpoints=[endpoint(healthCheck={"enabled": True, **check})])
    assert warnings(raw) == [("spec.endpoints[0].healthCheck.timeout", message)]


def test_a_timeout_of_one_interval_is_right(object_of: Make, endpoint: Make) -> None:
    raw = object_of(endpoints=[endpoint(healthCheck={"enabled": True, "interval": "10s"})])
    assert warnings(raw) == []


def test_a_check_that_is_not_enabled_checks_nothing(object_of: Make) -> None:
    ports = [{"name": "http", "port": 80, "healthCheck": {"path": "/health"}}]
    raw = object_of(tagSelectors=[ENV], discovery={"ports": ports})
    assert warnings(raw) == [("spec.discovery.ports[0].healthCheck", NOT_ENABLED)]


def test_a_credential_in_a_plain_header(object_of: Make, endpoint: Make) -> None:
    check = {"enabled": True, "headers": {"authorization": "Bearer x", "Accept": "*/*"}}
    raw = object_of(endpoints=[endpoint(healthCheck=check)])
    field = "spec.endpoints[0].healthCheck.headers.authorization"
    assert warnings(raw) == [(field, READABLE_HEADER)]


def test_a_header_that_http_does_not_know(object_of: Make, endpoint: Make) -> None:
    raw = object_of(endpoints=[endpoint(healthCheck={"enabled": True, "headers": {"X A": "b"}})])
    assert warnings(raw) == [
        ("spec.endpoints[0].healthCheck.headers.X A", "must be the name of an HTTP header")
    ]


def test_discovery_without_ports_gets_the_default_port(object_of: Make) -> None:
    assert warnings(object_of(tagSelectors=[ENV])) == [("spec.discovery.ports", DEFAULT_PORT)]


def test_discovery_without_a_selector_has_no_effect(object_of: Make) -> None:
    raw = object_of(endpoints=[], discovery=PORTS)
    assert warnings(raw) == [("spec.discovery", NO_SELECTOR)]


def test_a_value_that_is_listed_twice(object_of: Make) -> None:
    twice = {"key": "env", "operator": "In", "values": ["a", "b", "a"]}
    raw = object_of(tagSelectorTerms=[{"matchTags": [ENV, twice]}], discovery=PORTS)
    field = "spec.tagSelectorTerms[0].matchTags[1].values[2]"
    assert warnings(raw) == [(field, 'lists "a" a second time')]


def test_requirements_that_only_exclude(object_of: Make) -> None:
    negative = [
        {"key": "env", "operator": "NotIn", "values": ["dev"]},
        {"key": "gpu", "operator": "DoesNotExist"},
    ]
    assert warnings(object_of(tagSelectors=negative, discovery=PORTS)) == [
        ("spec.tagSelectors", ONLY_NEGATIVE)
    ]
    assert warnings(object_of(tagSelectors=[*negative, ENV], discovery=PORTS)) == []


def test_two_ports_of_one_number_and_transport(object_of: Make) -> None:
    ports = [
        {"name": "http", "port": 53},
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "web", "port": 53, "protocol": "TCP"},
    ]
    assert warnings(object_of(tagSelectors=[ENV], discovery={"ports": ports})) == [
        (
            "spec.discovery.ports[2].port",
            "has the number and transport of port http; one of the two is not offered",
        )
    ]


def test_two_static_endpoints_of_one_address_and_port(object_of: Make, endpoint: Make) -> None:
    raw = object_of(
        endpoints=[
            endpoint(),
            endpoint(name="api-2", port=8081),
            endpoint(name="api-3", protocol="UDP"),
            endpoint(name="api-4", protocol="TCP"),
        ]
    )
    assert warnings(raw) == [
        ("spec.endpoints[3]", "has the address and port of endpoint api-1, so it is left out")
    ]


def test_a_target_that_can_never_come(object_of: Make, endpoint: Make) -> None:
    services = [
        {"name": "web", "port": 80, "targetEndpoint": "api-1"},
        {"name": "api", "port": 80, "targetEndpoint": "api-9"},
    ]
    raw = object_of(endpoints=[endpoint()], serviceDiscovery={"vipServices": services})
    field = "spec.serviceDiscovery.vipServices[1].targetEndpoint"
    assert warnings(raw) == [(field, "is no endpoint of this resource: api-9")]
    raw["spec"] |= {"tagSelectors": [ENV], "discovery": PORTS}
    assert warnings(raw) == []
