from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import V1EndpointSlice

from discovery.plan.endpointslice import AddressType, EndpointSlice, Group, SliceEndpoint
from discovery.plan.owner import Owner
from discovery.plan.ports import Port, Transport

FIXTURES = Path(__file__).parents[3] / "fixtures" / "slices"
OWNER = Owner("default", "web", "uid-1", "web", headless=True, instance="main")

WEB = EndpointSlice(
    namespace="default",
    name="web-0123456789-0",
    address_type=AddressType.IPV4,
    ports=(Port("http", 8080, Transport.TCP, "http"),),
    endpoints=(
        SliceEndpoint("api-1", "100.64.0.1", "n1"),
        SliceEndpoint("api-2", "100.64.0.2", "", ready=False, serving=False),
    ),
    labels=tuple(OWNER.slice_labels.items()),
    owner_name="web",
    owner_uid="uid-1",
    trigger_time="2026-03-01T12:00:00Z",
)


def server_answer() -> dict[str, Any]:
    answer: dict[str, Any] = yaml.safe_load((FIXTURES / "server-answer.yaml").read_text())
    return answer


def altered(**endpoint: Any) -> dict[str, Any]:
    manifest = WEB.manifest()
    manifest["endpoints"][0].update(endpoint)
    return manifest


def test_the_typed_client_accepts_a_manifest() -> None:
    V1EndpointSlice.model_validate(WEB.manifest())


def test_a_manifest_is_read_as_the_slice_that_wrote_it() -> None:
    existing = replace(WEB, uid="uid-9", resource_version="41")
    assert EndpointSlice.parse(existing.manifest()) == existing


def test_a_slice_of_a_resource_in_no_cluster_has_no_owner_reference() -> None:
    offline = replace(WEB, owner_name="", owner_uid="")
    assert "ownerReferences" not in offline.manifest()["metadata"]
    assert EndpointSlice.parse(offline.manifest()) == offline


def test_a_server_answer_is_read_with_only_what_is_ours() -> None:
    assert EndpointSlice.parse(server_answer()) == EndpointSlice(
        namespace="default",
        name="web-e1b79d2b2a-0",
        address_type=AddressType.IPV4,
        ports=(Port("http", 8080, Transport.TCP, "http"), Port("metrics", 9100)),
        endpoints=(
            SliceEndpoint("api-1", "100.64.0.1", "nA1CNTRL", ready=True, serving=True),
            SliceEndpoint("api-2", "100.64.0.2", "", ready=False, serving=True),
        ),
        labels=(
            ("endpointslice.kubernetes.io/managed-by", "tailscale-endpoints.gateway.tailscale.com"),
            ("gateway.tailscale.com/endpoints", "web"),
            ("gateway.tailscale.com/instance", "main"),
            ("kubernetes.io/service-name", "web"),
            ("service.kubernetes.io/headless", ""),
        ),
        owner_name="web",
        owner_uid="5b0f1f4e-0a53-4a2e-9d7a-7a4f5c1b2d3e",
        trigger_time="2026-03-01T12:00:00.25Z",
        uid="0d9f6a52-7f6d-4a51-9d6e-1d2c3b4a5f60",
        resource_version="48211",
    )


def test_null_lists_and_absent_metadata_are_empty() -> None:
    read = EndpointSlice.parse(
        {
            "metadata": {"name": "web-0", "namespace": "default"},
            "addressType": "IPv6",
            "endpoints": None,
            "ports": None,
        }
    )
    assert (read.endpoints, read.ports, read.labels, read.owner_uid) == ((), (), (), "")
    assert read.service_name is None


def test_a_slice_with_a_deletion_timestamp_is_being_deleted() -> None:
    manifest = WEB.manifest()
    manifest["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert EndpointSlice.parse(manifest).deleting


def test_absent_and_null_conditions_mean_true() -> None:
    read = EndpointSlice.parse(altered(conditions={"ready": None, "terminating": None}))
    assert read.endpoints[0] == SliceEndpoint("api-1", "100.64.0.1", "n1", ready=True, serving=True)
    assert not read.drifted


@pytest.mark.parametrize(
    "endpoint",
    [
        {"addresses": ["100.64.0.1", "100.64.0.9"]},
        {"addresses": None},
        {"conditions": {"ready": True, "serving": True, "terminating": True}},
        {"targetRef": {"kind": "Pod", "name": "x"}},
        {"hints": {"forZones": [{"name": "a"}]}},
        {"zone": "a"},
    ],
)
def test_an_endpoint_that_we_never_write_so_marks_the_slice_as_drifted(
    endpoint: dict[str, Any],
) -> None:
    assert EndpointSlice.parse(altered(**endpoint)).drifted


def test_an_endpoint_without_hostname_has_no_name() -> None:
    read = EndpointSlice.parse(altered(hostname=None))
    assert read.endpoints[0].name == ""


@pytest.mark.parametrize("nodes", [None, "", "no JSON", '["n1"]', '{"api-1":"n1","gone":"n7"}'])
def test_a_nodes_annotation_that_is_not_ours_marks_the_slice_as_drifted(nodes: str | None) -> None:
    manifest = WEB.manifest()
    manifest["metadata"]["annotations"]["gateway.tailscale.com/nodes"] = nodes
    assert EndpointSlice.parse(manifest).drifted


@pytest.mark.parametrize(
    "port",
    [
        {"name": "all", "port": None, "protocol": "TCP"},
        {"name": "sctp", "port": 80, "protocol": "SCTP"},
    ],
)
def test_a_port_that_we_can_not_have_written_marks_the_slice_as_drifted(
    port: dict[str, Any],
) -> None:
    manifest = WEB.manifest()
    manifest["ports"].append(port)
    read = EndpointSlice.parse(manifest)
    assert read.drifted
    assert read.ports == WEB.ports


def test_a_port_without_protocol_and_name_is_tcp_and_nameless() -> None:
    manifest = WEB.manifest()
    manifest["ports"] = [{"port": 80}]
    assert EndpointSlice.parse(manifest).ports == (Port("", 80, Transport.TCP),)


def test_reading_edits_nothing() -> None:
    answer = server_answer()
    before = deepcopy(answer)
    EndpointSlice.parse(answer).manifest()["metadata"]["labels"]["x"] = "y"
    assert answer == before


def test_a_name_is_stable_for_ever() -> None:
    group = Group(AddressType.IPV4, (Port("http", 8080, Transport.TCP, "http"),))
    assert group.stem("web") == "web-fd4e4c0ec2"


@pytest.mark.parametrize(
    ("resource", "prefix"),
    [
        ("web", "web"),
        ("a" * 60, "a" * 40),
        ("a" * 39 + "-b", "a" * 39),
        ("a" * 38 + ".-b.c", "a" * 38),
        ("shop.example.com", "shop.example.com"),
    ],
)
def test_a_name_begins_with_up_to_40_characters_of_the_resource(resource: str, prefix: str) -> None:
    stem = Group(AddressType.IPV4, (Port("http", 80),)).stem(resource)
    assert stem[: -len("-0123456789")] == prefix


def test_names_differ_by_resource_family_and_every_part_of_a_port() -> None:
    ports = (Port("http", 80),)
    stems = {
        Group(AddressType.IPV4, ports).stem("a" * 50),
        Group(AddressType.IPV4, ports).stem("a" * 51),
        Group(AddressType.IPV6, ports).stem("a" * 50),
        Group(AddressType.IPV4, (Port("http", 81),)).stem("a" * 50),
        Group(AddressType.IPV4, (Port("web", 80),)).stem("a" * 50),
        Group(AddressType.IPV4, (Port("http", 80, Transport.UDP),)).stem("a" * 50),
        Group(AddressType.IPV4, (Port("http", 80, app_protocol="http"),)).stem("a" * 50),
        Group(AddressType.IPV4, (*ports, Port("x", 1))).stem("a" * 50),
    }
    assert len(stems) == 8
