"""The form that the API server demands of the schema, and that what is checked in is current."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.crd import crd, crd_yaml, object_schema
from discovery.crd_reference import reference

ROOT = Path(__file__).parents[2]
INT_FORMATS = {"int32", "int64"}
FREE_TEXT = {"apiVersion", "kind"}


def nodes(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from nodes(schema[keyword], f"{path}[]")


ALL = dict([*nodes(object_schema(), "")])


def at(path: str) -> Mapping[str, Any]:
    return ALL[path]


def test_the_file_in_docs_is_what_the_types_say() -> None:
    assert (ROOT / "docs/crds/tailscaleendpoints.yaml").read_text() == crd_yaml()


def test_the_reference_in_docs_is_what_the_types_say() -> None:
    assert (ROOT / "docs/reference/tailscaleendpoints.md").read_text() == reference()


def test_the_file_says_how_it_is_made_and_reads_as_the_object() -> None:
    text = crd_yaml()
    assert text.startswith("# Generated from the types in discovery/v1alpha1.py.")
    assert yaml.safe_load(text) == crd()
    assert "&id" not in text


@pytest.mark.parametrize("path", ALL)
def test_every_node_is_structural(path: str) -> None:
    known = {
        *("description", "type", "format", "enum", "default", "pattern", "required"),
        *("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties"),
        *("properties", "items", "additionalProperties"),
        *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
    }
    node = ALL[path]
    assert node.keys() <= known
    assert node["type"] in {"object", "array", "string", "integer", "boolean"}
    assert not {"properties", "additionalProperties"} <= node.keys()
    assert None not in (*node.get("enum", ()), node.get("default", ""))


@pytest.mark.parametrize("path", [p for p, node in ALL.items() if node["type"] == "array"])
def test_every_list_is_bounded(path: str) -> None:
    assert ALL[path]["maxItems"] <= 1000


@pytest.mark.parametrize("path", [p for p, n in ALL.items() if "additionalProperties" in n])
def test_every_map_is_bounded(path: str) -> None:
    assert ALL[path]["maxProperties"] <= 32


@pytest.mark.parametrize("path", [p for p, node in ALL.items() if node["type"] == "string"])
def test_every_text_is_bounded(path: str) -> None:
    node = ALL[path]
    assert path.lstrip(".") in FREE_TEXT or "enum" in node or node["maxLength"] <= 32768


@pytest.mark.parametrize("path", [p for p, node in ALL.items() if node["type"] == "integer"])
def test_every_number_has_a_size_and_a_least_value(path: str) -> None:
    assert ALL[path]["format"] in INT_FORMATS
    assert "minimum" in ALL[path]


@pytest.mark.parametrize(
    "path", [p for p, n in ALL.items() if p and p != ".metadata" and not p.endswith("[]")]
)
def test_every_field_is_described(path: str) -> None:
    assert 10 < len(ALL[path]["description"]) < 400 or path.lstrip(".") in FREE_TEXT


@pytest.mark.parametrize("path", [p for p, n in ALL.items() if "x-kubernetes-list-map-keys" in n])
def test_keys_of_list_maps_are_required(path: str) -> None:
    keys = ALL[path]["x-kubernetes-list-map-keys"]
    assert set(keys) <= set(ALL[path]["items"]["required"])


def test_which_lists_are_maps_sets_and_atomic() -> None:
    kinds = {
        p: n["x-kubernetes-list-type"] for p, n in ALL.items() if "x-kubernetes-list-type" in n
    }
    assert kinds == {
        ".spec.discovery.addressFamilies": "set",
        ".spec.discovery.ports": "map",
        ".spec.endpoints": "map",
        ".spec.serviceDiscovery.tags": "set",
        ".spec.serviceDiscovery.vipServices": "map",
        ".spec.tagSelectorTerms[].matchTags[].values": "atomic",
        ".spec.tagSelectors[].values": "atomic",
        ".status.conditions": "map",
        ".status.endpoints": "atomic",
        ".status.vipServices": "map",
    }


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        (".spec.endpoints", None, 1000),
        (".spec.tagSelectors", 1, 16),
        (".spec.tagSelectorTerms", 1, 16),
        (".spec.tagSelectorTerms[].matchTags", 1, 16),
        (".spec.tagSelectors[].values", None, 64),
        (".spec.serviceDiscovery.vipServices", None, 64),
        (".spec.discovery.ports", None, 16),
        (".status.removal.names", None, 256),
    ],
)
def test_how_many_items_a_list_may_have(path: str, least: int | None, most: int) -> None:
    assert (ALL[path].get("minItems"), ALL[path]["maxItems"]) == (least, most)


def test_which_defaults_the_api_server_fills_in() -> None:
    defaults = {path: node["default"] for path, node in ALL.items() if "default" in node}
    check = {
        "enabled": False,
        "type": "HTTP",
        "path": "/",
        "interval": "30s",
        "timeout": "10s",
        "healthyThreshold": 2,
        "unhealthyThreshold": 3,
        "expectedStatus": 200,
    }
    checks = (".spec.endpoints[].healthCheck", ".spec.discovery.ports[].healthCheck")
    assert defaults == {
        **{f"{place}.{name}": default for place in checks for name, default in check.items()},
        ".spec.serviceDiscovery.autoRegister": True,
        ".spec.serviceDiscovery.tags": ["tag:k8s"],
        ".spec.serviceDiscovery.sharePolicy": "Exclusive",
        ".spec.serviceDiscovery.approveHosts": False,
        ".spec.discovery.ports[].protocol": "HTTP",
        ".spec.discovery.addressFamilies": ["IPv4"],
        ".spec.service.enabled": True,
        ".spec.service.type": "Headless",
        ".spec.mode": "Enforce",
    }


def test_the_tailnet_is_immutable() -> None:
    (rule,) = at(".spec.tailnet")["x-kubernetes-validations"]
    assert rule["rule"] == "self == oldSelf"
    assert rule["message"] == "can not be changed: create another resource for another tailnet"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (path, rule["fieldPath"])
        for path, node in ALL.items()
        for rule in node.get("x-kubernetes-validations", ())
        if "fieldPath" in rule
    ],
)
def test_a_rule_names_a_field_that_is_there(path: str, field: str) -> None:
    assert f"{path}{field}" in ALL


def test_the_address_rule_names_every_range_and_reserved_block() -> None:
    (rule,) = at(".spec.endpoints[].tailscaleIP")["x-kubernetes-validations"]
    assert rule["rule"] == (
        "isIP(self) && ip.isCanonical(self) && (ip(self).family() == 4"
        " ? cidr('100.64.0.0/10').containsIP(self)"
        " && !cidr('100.100.0.0/24').containsIP(self)"
        " && !cidr('100.100.100.0/24').containsIP(self)"
        " && !cidr('100.115.92.0/23').containsIP(self)"
        " : cidr('fd7a:115c:a1e0::/48').containsIP(self)"
        " && !cidr('fd7a:115c:a1e0::53/128').containsIP(self)"
        " && !cidr('fd7a:115c:a1e0:b1a::/64').containsIP(self))"
    )


def test_what_kubectl_get_prints() -> None:
    (version,) = crd()["spec"]["versions"]
    columns = version["additionalPrinterColumns"]
    names = [column["name"] for column in columns]
    assert names[:7] == ["Tailnet", "Ready", "Endpoints", "Healthy", "Fresh", "Held", "Age"]
    assert names[7:] == ["Service", "VIPs", "Reason"]
    assert [c["name"] for c in columns if c.get("priority")] == ["Service", "VIPs", "Reason"]
    plain = [c["jsonPath"] for c in columns if "?" not in c["jsonPath"]]
    assert set(plain) - {".metadata.creationTimestamp"} <= ALL.keys()


def test_names_and_subresources() -> None:
    definition = crd()
    names = definition["spec"]["names"]
    (version,) = definition["spec"]["versions"]
    assert definition["metadata"]["name"] == "tailscaleendpoints.gateway.tailscale.com"
    assert (names["plural"], names["shortNames"], names["categories"]) == (
        "tailscaleendpoints",
        ["tse"],
        ["tailscale"],
    )
    assert definition["spec"]["scope"] == "Namespaced"
    assert version["subresources"] == {"status": {}}
    assert version["selectableFields"] == [{"jsonPath": ".spec.tailnet"}]
