"""Rules on several fields of an object, and what is no error though it may look like one."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from discovery.parsing import InvalidResourceError, parse_object
from discovery.rules import NOT_UNIQUE
from discovery.v1alpha1 import BOTH_SELECTORS, NAME_NEEDS_SERVICE_NAME, NO_SOURCE

Make = Callable[..., dict[str, Any]]

ENV = {"key": "env", "operator": "Exists"}


def findings(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidResourceError) as refused:
        parse_object(raw)
    return [(finding.field, finding.message) for finding in refused.value.findings]


def test_every_error_is_named_at_once(object_of: Make, endpoint: Make) -> None:
    raw = object_of(
        name="a.b",
        endpoints=[endpoint(port=0), endpoint(protocol="SCTP")],
        tagSelectors=[{"key": "env", "operator": "In"}],
        tagSelectorTerms=[],
    )
    assert sorted(findings(raw)) == [
        ("metadata.name", NAME_NEEDS_SERVICE_NAME),
        ("spec.endpoints[0].port", "must be at least 1"),
        ("spec.endpoints[1].name", NOT_UNIQUE),
        ("spec.endpoints[1].protocol", "must be one of HTTP, HTTPS, TCP, UDP, TLS, gRPC"),
        ("spec.tagSelectorTerms", "must have at least 1 item"),
        ("spec.tagSelectorTerms", BOTH_SELECTORS),
        ("spec.tagSelectors[0].values", "operator In needs at least one value"),
    ]


def test_a_resource_needs_endpoints_or_a_selector(object_of: Make) -> None:
    assert findings(object_of()) == [("spec", NO_SOURCE)]


def test_an_empty_list_of_endpoints_is_a_source(object_of: Make) -> None:
    assert parse_object(object_of(endpoints=[])).spec.endpoints == ()


def test_selectors_and_terms_exclude_each_other(object_of: Make) -> None:
    raw = object_of(tagSelectors=[ENV], tagSelectorTerms=[{"matchTags": [ENV]}])
    assert findings(raw) == [("spec.tagSelectorTerms", BOTH_SELECTORS)]


@pytest.mark.parametrize("name", ["api.company", "1api", "a" * 64])
def test_a_name_that_no_service_can_have_needs_a_service_name(object_of: Make, name: str) -> None:
    assert findings(object_of(name, endpoints=[])) == [("metadata.name", NAME_NEEDS_SERVICE_NAME)]
    assert parse_object(object_of(name, endpoints=[], service={"name": "api"})).key.name == name


def test_a_target_endpoint_that_is_not_there_is_no_error(object_of: Make, endpoint: Make) -> None:
    service = {"name": "web", "port": 80, "targetEndpoint": "later"}
    parse_object(object_of(endpoints=[endpoint()], serviceDiscovery={"vipServices": [service]}))


def test_a_timeout_above_the_interval_is_no_error(object_of: Make, endpoint: Make) -> None:
    resource = parse_object(object_of(endpoints=[endpoint(healthCheck={"interval": "5s"})]))
    check = resource.spec.endpoints[0].health_check
    assert check is not None
    assert check.time_limit.total_seconds() == 5


def test_a_wrong_version_says_what_to_write(object_of: Make) -> None:
    raw = {**object_of(endpoints=[]), "apiVersion": "gateway.tailscale.com/v1"}
    message = (
        "'gateway.tailscale.com/v1' is a version that is not served: "
        "write gateway.tailscale.com/v1alpha1"
    )
    assert findings(raw) == [("apiVersion", message)]
