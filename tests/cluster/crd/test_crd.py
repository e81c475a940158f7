"""The CRD that is checked in, in a real API server: what it takes, keeps and fills in."""

from pathlib import Path
from typing import Any

import pytest

from discovery.manifests import Manifest, load
from tests.api.objects import endpoint, object_of
from tests.cluster.crd.conftest import Post
from tests.controlplane.access import CRD, CRD_PATH, ControlPlane

ROOT = Path(__file__).parents[3]
EXAMPLES = load([ROOT / "examples"])
PUBLISHED = load([ROOT / "tests" / "api" / "published"])
NAME = "tailscaleendpoints.gateway.tailscale.com"
OBJECTS = "/apis/gateway.tailscale.com/v1alpha1/namespaces/{}/tailscaleendpoints"
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def source_of(manifest: Manifest) -> str:
    return f"{Path(manifest.path).name}-{manifest.resource.metadata.name}"


def test_the_crd_is_established(control_plane: ControlPlane) -> None:
    conditions = control_plane.api.get(f"{CRD_PATH}/{NAME}").json()["status"]["conditions"]
    assert {each["type"]: each["status"] for each in conditions} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


def test_the_crd_is_applied_without_a_warning(control_plane: ControlPlane) -> None:
    applied = control_plane.api.patch(
        f"{CRD_PATH}/{NAME}",
        params={"fieldManager": "tests", "fieldValidation": "Strict", "dryRun": "All"},
        content=CRD.read_text(),
        headers=APPLY,
    )
    assert (applied.status_code, applied.headers.get_list("Warning")) == (200, [])


@pytest.mark.parametrize("example", EXAMPLES.resources, ids=source_of)
def test_an_example_is_accepted_without_a_warning(create: Post, example: Manifest) -> None:
    made = create(example.raw)
    assert (made.status_code, made.headers.get_list("Warning")) == (201, [])


@pytest.mark.parametrize("published", PUBLISHED.resources, ids=source_of)
def test_a_published_manifest_is_accepted_with_a_warning_per_unknown_field(
    create: Post, published: Manifest
) -> None:
    made = create(published.raw)
    offline = [
        f'299 - "unknown field \\"{problem.field}\\""'
        for problem in PUBLISHED.problems
        if (problem.path, problem.document) == (published.path, published.document)
        and problem.message.startswith("is no field of this API")
    ]
    assert (made.status_code, made.headers.get_list("Warning")) == (201, sorted(offline))


def test_a_thousand_static_endpoints_are_accepted(create: Post) -> None:
    many = [
        endpoint(
            name=f"api-{n}",
            tailscaleIP=f"100.64.{n // 250}.{n % 250}",
            externalTarget=f"api-{n}.example.com:8080",
            healthCheck={"enabled": True, "interval": "30s", "timeout": "5s"},
        )
        for n in range(1000)
    ]
    assert create(object_of(endpoints=many)).status_code == 201


def test_one_endpoint_more_is_refused(create: Post) -> None:
    many = [endpoint(name=f"api-{n}") for n in range(1001)]
    refused = create(object_of(endpoints=many))
    assert refused.status_code == 422
    assert "spec.endpoints: Too many: 1001: must have at most 1000 items" in refused.text


def test_what_is_filled_in_is_what_the_program_assumes(create: Post) -> None:
    port = {"name": "http", "port": 80, "healthCheck": {}}
    sparse = object_of(
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        discovery={"ports": [port]},
        serviceDiscovery={},
        service={},
    )
    spec: dict[str, Any] = create(sparse).json()["spec"]
    assert spec == {
        "tailnet": "company.ts.net",
        "mode": "Enforce",
        "tagSelectors": [{"key": "env", "operator": "Exists"}],
        "discovery": {
            "addressFamilies": ["IPv4"],
            "ports": [
                {
                    "name": "http",
                    "port": 80,
                    "protocol": "HTTP",
                    "healthCheck": {
                        "enabled": False,
                        "type": "HTTP",
                        "path": "/",
                        "interval": "30s",
                        "timeout": "10s",
                        "healthyThreshold": 2,
                        "unhealthyThreshold": 3,
                        "expectedStatus": 200,
                    },
                }
            ],
        },
        "service": {"enabled": True, "type": "Headless"},
        "serviceDiscovery": {
            "autoRegister": True,
            "tags": ["tag:k8s"],
            "sharePolicy": "Exclusive",
            "approveHosts": False,
        },
    }


def test_status_is_written_by_its_subresource_alone(
    control_plane: ControlPlane, create: Post, namespace: str
) -> None:
    raw = object_of(endpoints=[])
    made = create({**raw, "status": {"totalEndpoints": 7}}).json()
    assert "status" not in made
    path = f"{OBJECTS.format(namespace)}/api"
    status = {"observedGeneration": 1, "totalEndpoints": 3}
    spec = {"tailnet": "other.ts.net"}
    written = control_plane.api.patch(
        f"{path}/status",
        params={"fieldManager": "tests"},
        json={**raw, "spec": spec, "status": status},
        headers=APPLY,
    ).json()
    assert written["status"] == status
    assert written["spec"]["tailnet"] == "company.ts.net"
    assert written["metadata"]["generation"] == 1


def test_the_tailnet_can_not_be_changed(
    control_plane: ControlPlane, create: Post, namespace: str
) -> None:
    create(object_of(endpoints=[])).raise_for_status()
    refused = control_plane.api.patch(
        f"{OBJECTS.format(namespace)}/api",
        json={"spec": {"tailnet": "other.ts.net"}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert refused.status_code == 422
    (cause,) = refused.json()["details"]["causes"]
    assert cause["field"] == "spec.tailnet"
    assert cause["message"].endswith(
        "can not be changed: create another resource for another tailnet"
    )


def test_resources_are_found_by_tailnet(
    control_plane: ControlPlane, create: Post, namespace: str
) -> None:
    create(object_of(endpoints=[])).raise_for_status()
    for tailnet, names in (("company.ts.net", ["api"]), ("other.ts.net", [])):
        query = {"fieldSelector": f"spec.tailnet={tailnet}"}
        found = control_plane.api.get(OBJECTS.format(namespace), params=query).json()["items"]
        assert [item["metadata"]["name"] for item in found] == names
