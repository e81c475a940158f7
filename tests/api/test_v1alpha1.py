from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from discovery.parsing import parse_object
from discovery.v1alpha1 import (
    AddressFamily,
    Condition,
    EndpointStatus,
    EndpointVerdict,
    HealthCheck,
    HealthCheckType,
    Key,
    Mode,
    Protocol,
    RemovalStatus,
    ServiceType,
    SharePolicy,
    TailscaleEndpoints,
    TailscaleEndpointsStatus,
    VIPServiceHosts,
    VIPServiceStatus,
)
from tagselectors import Selector, SelectorTerms, TagSelector

Make = Callable[..., dict[str, Any]]

PRODUCTION = {"key": "env", "operator": "In", "values": ["production"]}
WEB = {"key": "service-type", "operator": "Exists"}


def test_an_empty_health_check_has_every_default() -> None:
    check = HealthCheck.model_validate({})
    assert check == HealthCheck(
        enabled=False,
        type=HealthCheckType.HTTP,
        path="/",
        interval=timedelta(seconds=30),
        timeout=timedelta(seconds=10),
        healthy_threshold=2,
        unhealthy_threshold=3,
        expected_status=200,
        headers={},
        headers_from=(),
    )


def test_an_absent_health_check_is_none(object_of: Make, endpoint: Make) -> None:
    resource = parse_object(object_of(endpoints=[endpoint()]))
    assert resource.spec.endpoints[0].health_check is None


def test_a_null_field_is_an_absent_field(object_of: Make, endpoint: Make) -> None:
    requirement = {**WEB, "values": None}
    raw = object_of(
        endpoints=[endpoint(healthCheck=None)],
        tagSelectors=[requirement],
        tagSelectorTerms=None,
        mode=None,
    )
    spec = parse_object(raw).spec
    assert (spec.endpoints[0].health_check, spec.mode) == (None, Mode.ENFORCE)
    assert spec.tag_selectors == (TagSelector.model_validate(WEB),)


def test_the_defaults_of_an_empty_spec(object_of: Make) -> None:
    spec = parse_object(object_of(endpoints=[])).spec
    assert spec.service_discovery is None
    assert spec.discovery.ports == ()
    assert spec.discovery.address_families == (AddressFamily.IPV4,)
    assert spec.discovery.removal is None
    assert (spec.service.enabled, spec.service.type) == (True, ServiceType.HEADLESS)


def test_the_defaults_of_service_discovery(object_of: Make) -> None:
    found = parse_object(object_of(endpoints=[], serviceDiscovery={})).spec.service_discovery
    assert found is not None
    assert (found.auto_register, found.vip_services, found.tags) == (True, (), ("tag:k8s",))
    assert (found.share_policy, found.approve_hosts) == (SharePolicy.EXCLUSIVE, False)


def test_an_absent_removal_field_has_no_default(object_of: Make) -> None:
    spec = parse_object(object_of(endpoints=[], discovery={"removal": {}})).spec
    removal = spec.discovery.removal
    assert removal is not None
    assert (removal.policy, removal.max_percent, removal.confirmations) == (None, None, None)


def test_tag_selectors_are_one_term(object_of: Make) -> None:
    spec = parse_object(object_of(tagSelectors=[PRODUCTION, WEB])).spec
    both = tuple(TagSelector.model_validate(each) for each in (PRODUCTION, WEB))
    assert spec.selector == SelectorTerms((Selector(both),))


def test_each_term_is_a_selector(object_of: Make) -> None:
    terms = [{"matchTags": [PRODUCTION]}, {"matchTags": [WEB]}]
    spec = parse_object(object_of(tagSelectorTerms=terms)).spec
    assert [str(term) for term in spec.selector.terms] == ["env=production", "service-type"]


def test_without_a_selector_nothing_is_selected(object_of: Make) -> None:
    selector = parse_object(object_of(endpoints=[])).spec.selector
    assert not selector.matches(["tag:env-production"])


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ({}, "api"),
        ({"name": ""}, "api"),
        ({"name": "orders"}, "orders"),
        ({"enabled": False}, None),
        ({"enabled": False, "name": "orders"}, None),
    ],
)
def test_the_name_of_the_service(object_of: Make, service: dict[str, Any], name: str) -> None:
    spec = parse_object(object_of(endpoints=[], service=service)).spec
    assert spec.service_name("api") == name


def test_the_namespace_defaults_to_default(object_of: Make) -> None:
    assert parse_object(object_of(endpoints=[])).key == Key("default", "api")
    assert str(Key("default", "api")) == "default/api"


def test_a_field_of_a_later_version_is_ignored(object_of: Make, endpoint: Make) -> None:
    raw = object_of(
        endpoints=[endpoint(weight=3, healthCheck={"jitter": "1s"})],
        tagSelectors=[{**PRODUCTION, "caseSensitive": False}],
        canary={},
    )
    plain = object_of(endpoints=[endpoint(healthCheck={})], tagSelectors=[PRODUCTION])
    assert parse_object(raw) == parse_object(plain)


def test_what_is_dumped_parses_as_the_same(object_of: Make, endpoint: Make) -> None:
    raw = object_of(
        endpoints=[
            endpoint(
                protocol="gRPC",
                externalTarget="[2001:db8::1]:443",
                metadata={"team": "payments"},
                healthCheck={
                    "enabled": True,
                    "interval": "90s",
                    "headers": {"X-A": "b"},
                    "headersFrom": [
                        {"header": "X-B", "secretKeyRef": {"name": "probe", "key": "token"}}
                    ],
                },
            )
        ],
        tagSelectors=[PRODUCTION, WEB],
        discovery={
            "ports": [{"name": "http", "port": 80}],
            "addressFamilies": ["IPv6", "IPv4"],
            "removal": {"policy": "Approve"},
        },
        service={"type": "ClusterIP"},
        serviceDiscovery={"vipServices": [{"name": "web", "port": 80, "targetEndpoint": "a"}]},
        mode="Observe",
    )
    resource = parse_object(raw)
    dumped = resource.to_object()
    assert parse_object(dumped) == resource
    raw["spec"]["endpoints"][0]["healthCheck"]["interval"] = "1m30s"
    assert dumped == raw


def test_values_are_frozen(object_of: Make) -> None:
    resource = parse_object(object_of(endpoints=[]))
    with pytest.raises(ValidationError, match="frozen"):
        resource.spec.mode = Mode.OBSERVE  # type: ignore[misc]


def test_python_names_construct_a_value_too() -> None:
    check = HealthCheck(interval=timedelta(seconds=5), healthy_threshold=1)
    assert check.to_object() == {"interval": "5s", "healthyThreshold": 1}


def test_a_protocol_prints_as_the_api_spells_it() -> None:
    assert f"{Protocol.GRPC}" == "gRPC"


STATUS = {
    "observedGeneration": 3,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 3,
            "lastTransitionTime": "2026-11-20T10:30:00Z",
            "reason": "EndpointsConfigured",
            "message": "All endpoints are configured and healthy",
        }
    ],
    "discoveredEndpoints": 1,
    "totalEndpoints": 2,
    "healthyEndpoints": 1,
    "unhealthyEndpoints": 1,
    "endpoints": [
        {
            "name": "postgres",
            "status": "Unhealthy",
            "lastChecked": "2026-11-20T10:29:45Z",
            "address": "100.64.0.11:5432",
            "error": "Connection timeout",
            "source": "Static",
        },
        {
            "name": "api-1",
            "status": "Healthy",
            "lastChecked": "2026-11-20T10:30:00Z",
            "address": "[fd7a:115c:a1e0::1]:8080",
            "source": "TagSelector",
            "nodeID": "n1",
        },
    ],
    "truncated": False,
    "vipServices": [
        {
            "name": "web",
            "status": "Serving",
            "vipAddress": "100.93.49.180",
            "lastUpdated": "2026-11-20T10:25:00Z",
            "hosts": {"approved": 2, "configured": 1},
        }
    ],
    "removal": {
        "since": "2026-11-20T10:00:00Z",
        "confirmations": 2,
        "lastList": "2026-11-20T10:01:00Z",
        "plan": "3f2a",
        "names": ["api-2"],
        "total": 1,
    },
    "lastSync": "2026-11-20T10:30:00Z",
}


def test_a_status_is_read_and_written_as_it_is(object_of: Make) -> None:
    resource = parse_object({**object_of(endpoints=[]), "status": STATUS})
    assert resource.status is not None
    assert resource.status.to_object() == STATUS
    assert resource.status.endpoints[0].status is EndpointVerdict.UNHEALTHY
    assert resource.status.conditions[0] == Condition(
        type="Ready",
        status="True",
        observed_generation=3,
        last_transition_time=datetime(2026, 11, 20, 10, 30, tzinfo=UTC),
        reason="EndpointsConfigured",
        message="All endpoints are configured and healthy",
    )
    assert resource.status.vip_services[0].hosts == VIPServiceHosts(approved=2, configured=1)
    assert resource.status.removal == RemovalStatus.model_validate(STATUS["removal"])


@pytest.mark.parametrize("status", ["broken", {"conditions": 3}, {"endpoints": [{"status": "?"}]}])
def test_a_status_that_can_not_be_read_harms_no_spec(object_of: Make, status: Any) -> None:
    assert parse_object({**object_of(endpoints=[]), "status": status}).status is None


def test_times_are_whole_seconds_in_utc() -> None:
    status = EndpointStatus(
        name="a",
        status=EndpointVerdict.HEALTHY,
        last_checked=datetime.fromisoformat("2026-11-20T12:30:00.987+02:00"),
    )
    assert status.to_object()["lastChecked"] == "2026-11-20T10:30:00Z"
    assert status.last_checked == datetime(2026, 11, 20, 10, 30, tzinfo=UTC)


def test_a_new_status_is_empty() -> None:
    assert TailscaleEndpointsStatus().to_object() == {}
    assert VIPServiceStatus(name="web", status="Pending").hosts is None


def test_a_resource_is_equal_to_one_that_is_read_again(object_of: Make) -> None:
    raw = object_of(tagSelectors=[PRODUCTION])
    assert TailscaleEndpoints.model_validate(raw) == parse_object(raw)
