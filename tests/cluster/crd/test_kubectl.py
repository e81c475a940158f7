"""What kubectl makes of the CRD: columns, descriptions, and an object in full."""

import re
from pathlib import Path

import pytest

from discovery.v1alpha1 import NO_SOURCE
from tests.api.objects import endpoint, object_of
from tests.cluster.crd.conftest import Post
from tests.controlplane.access import GROUP_PATH, ControlPlane
from tests.controlplane.kubectl import Kubectl

SEEN = "2026-11-20T10:30:00Z"


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, str | int]:
    said = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**said, "observedGeneration": 1, "lastTransitionTime": SEEN}


STATUS = {
    "observedGeneration": 1,
    "totalEndpoints": 3,
    "discoveredEndpoints": 2,
    "healthyEndpoints": 2,
    "unhealthyEndpoints": 1,
    "removal": {"total": 1},
    "conditions": [
        condition("Ready", "True", "EndpointsConfigured", "3 endpoints are configured"),
        condition("SourceFresh", "True", "Polled", "the device list is 4 s old"),
        condition("VIPServicesRegistered", "False", "NotReported", "web is not registered"),
    ],
}


@pytest.fixture
def two_resources(control_plane: ControlPlane, create: Post, namespace: str) -> None:
    """``api`` with a status, and ``later``, which no controller has seen yet."""
    create(object_of(endpoints=[endpoint()])).raise_for_status()
    later = object_of("later", endpoints=[], service={"name": "orders"})
    create(later).raise_for_status()
    control_plane.api.patch(
        f"{GROUP_PATH}/namespaces/{namespace}/tailscaleendpoints/api/status",
        params={"fieldManager": "tests"},
        json={**object_of(), "status": STATUS},
        headers={"Content-Type": "application/apply-patch+yaml"},
    ).raise_for_status()


def printed(kubectl: Kubectl, *arguments: str) -> str:
    """Return what it printed, without what differs from run to run."""
    done = kubectl(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(r"test-[0-9a-f]{8}", "NAMESPACE", done.stdout)
    text = re.sub(r"(Creation Timestamp|Resource Version|UID):( +)\S+", r"\1:\2...", text)
    text = re.sub(r"\b\d+s( +|$)", r"AGE\1", text, flags=re.MULTILINE)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def expected(name: str) -> str:
    return (Path(__file__).parent / "expected" / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", ["tse", "tailscaleendpoints", "tailscale"])
def test_get_tells_how_each_resource_is(
    kubectl: Kubectl, two_resources: None, namespace: str, name: str
) -> None:
    assert printed(kubectl, "get", name, "-n", namespace).split("\n") == [
        "NAME    TAILNET          READY   ENDPOINTS   HEALTHY   FRESH   HELD   AGE",
        "api     company.ts.net   True    3           2         True    1      AGE",
        "later   company.ts.net                                                AGE",
        "",
    ]


def test_get_wide_also_tells_the_service_the_vips_and_why(
    kubectl: Kubectl, two_resources: None, namespace: str
) -> None:
    table = printed(kubectl, "get", "tse", "-n", namespace, "-o", "wide").split("\n")
    assert [re.split(r" {2,}", line)[-4:] for line in table[:2]] == [
        ["AGE", "SERVICE", "VIPS", "REASON"],
        ["1", "AGE", "False", "EndpointsConfigured"],
    ]
    assert table[2].split() == ["later", "company.ts.net", "AGE", "orders"]


def test_describe_shows_spec_and_status(
    kubectl: Kubectl, two_resources: None, namespace: str
) -> None:
    assert printed(kubectl, "describe", "tse", "api", "-n", namespace) == expected("describe")


def test_explain_names_every_field_of_the_spec(kubectl: Kubectl) -> None:
    assert printed(kubectl, "explain", "tse.spec") == expected("explain")


def test_explain_tells_what_a_field_takes(kubectl: Kubectl) -> None:
    text = " ".join(printed(kubectl, "explain", "tse.spec.endpoints.tailscaleIP").split())
    assert text.endswith(
        "FIELD: tailscaleIP <string> DESCRIPTION: Address of the machine in the tailnet, for "
        "example 100.64.0.10: in 100.64.0.0/10 or fd7a:115c:a1e0::/48, outside Tailscale's "
        "reserved blocks."
    )


def test_a_refusal_is_said_in_our_words(kubectl: Kubectl, namespace: str) -> None:
    manifest = """
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata: {name: api}
spec: {tailnet: company.ts.net}
"""
    refused = kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest)
    assert (refused.returncode, refused.stderr) == (
        1,
        f'The TailscaleEndpoints "api" is invalid: spec: Required value: {NO_SOURCE}\n',
    )
