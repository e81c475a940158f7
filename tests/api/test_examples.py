"""The manifests that are shipped, and those that users bring from published documentation."""

import json
from pathlib import Path
from typing import Any

import pytest

from discovery.manifests import Manifest, load
from tagselectors import TagGrammar

ROOT = Path(__file__).parents[2]
EXAMPLES = load([ROOT / "examples"])
PUBLISHED = load([Path(__file__).parent / "published"])
DISCOVERING = [m for m in EXAMPLES.resources if m.resource.spec.selector.terms]
GRAMMAR = TagGrammar(("env", "service-type"))


def name_of(manifest: Manifest) -> str:
    return manifest.resource.metadata.name


@pytest.fixture(scope="module")
def devices() -> list[dict[str, Any]]:
    text = (ROOT / "fixtures/tailnet/devices.json").read_text()
    found: list[dict[str, Any]] = json.loads(text)["devices"]
    return found


def test_examples_are_valid_without_a_warning() -> None:
    assert EXAMPLES.problems == ()
    assert EXAMPLES.ignored == 0


def test_there_is_an_example_for_each_feature() -> None:
    assert {Path(m.path).name for m in EXAMPLES.resources} == {
        "dual-stack.yaml",
        "external-target.yaml",
        "grpc.yaml",
        "mixed.yaml",
        "observe.yaml",
        "or-terms.yaml",
        "static-endpoints.yaml",
        "tag-discovery.yaml",
        "vip-services.yaml",
    }


@pytest.mark.parametrize("example", EXAMPLES.resources, ids=name_of)
def test_every_example_has_a_health_check(example: Manifest) -> None:
    spec = example.resource.spec
    checks = [endpoint.health_check for endpoint in spec.endpoints]
    checks += [port.health_check for port in spec.discovery.ports]
    assert checks
    assert all(check is not None and check.enabled for check in checks)


@pytest.mark.parametrize("example", DISCOVERING, ids=name_of)
def test_every_selector_finds_devices_of_the_fixture(
    example: Manifest, devices: list[dict[str, Any]]
) -> None:
    selector = example.resource.spec.selector
    found = [d for d in devices if selector.matches(d.get("tags") or (), GRAMMAR)]
    assert 1 <= len(found) < len(devices) / 2


@pytest.mark.parametrize("example", EXAMPLES.resources, ids=name_of)
def test_static_endpoints_and_targets_are_devices_of_the_fixture(
    example: Manifest, devices: list[dict[str, Any]]
) -> None:
    names = {address: device["name"] for device in devices for address in device["addresses"]}
    for endpoint in example.resource.spec.endpoints:
        assert names[endpoint.tailscale_ip] == endpoint.tailscale_fqdn
    discovery = example.resource.spec.service_discovery
    labels = {name.partition(".")[0] for name in names.values()}
    for service in discovery.vip_services if discovery else ():
        assert service.target_endpoint in labels


def test_published_manifests_are_valid() -> None:
    assert [str(p) for p in PUBLISHED.problems if p.is_error] == []
    assert len(PUBLISHED.resources) == 7
    assert PUBLISHED.ignored == 1


def test_published_manifests_use_no_field_of_ours() -> None:
    ours = ("tagSelectorTerms", "discovery", "service", "mode")
    assert not [m.path for m in PUBLISHED.resources if set(ours) & m.raw["spec"].keys()]


def test_fields_of_published_guides_are_warnings() -> None:
    fields = {p.field for p in PUBLISHED.problems if "beyond-the-reference" in p.path}
    assert fields == {
        "spec.endpoints[0].connectionSettings",
        "spec.endpoints[0].healthCheck.retryPolicy",
        "spec.serviceDiscovery.discoveryInterval",
        "spec.serviceDiscovery.enabled",
        "spec.serviceDiscovery.filters",
    }
