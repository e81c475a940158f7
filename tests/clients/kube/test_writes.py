"""Writes, against the real API server."""

from typing import Any

import pytest

from discovery.clients.errors import ConflictError, NotFoundError, RejectedError, TransientError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.resources import (
    ACCESS_REVIEWS,
    ENDPOINT_SLICES,
    SERVICES,
    Resource,
)
from tests.clients.conftest import ScriptedServer
from tests.clients.kube.conftest import service
from tests.controlplane import faults
from tests.controlplane.access import ControlPlane
from tests.controlplane.faults import Fault
from tests.controlplane.proxy import FaultProxy


def version(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["resourceVersion"])


async def test_an_apply_creates_and_then_changes(cluster: KubeClient, namespace: str) -> None:
    created = await cluster.apply(SERVICES, namespace, "web", service("web", 80))
    changed = await cluster.apply(SERVICES, namespace, "web", service("web", 81))

    assert created["metadata"]["uid"] == changed["metadata"]["uid"]
    assert changed["spec"]["ports"][0]["port"] == 81
    managers = {entry["manager"] for entry in changed["metadata"]["managedFields"]}
    assert managers == {"tailnet-discovery"}


async def test_an_apply_that_says_nothing_new_keeps_the_version(
    cluster: KubeClient, namespace: str
) -> None:
    first = await cluster.apply(SERVICES, namespace, "web", service("web"))
    second = await cluster.apply(SERVICES, namespace, "web", service("web"))

    assert version(second) == version(first)


async def test_an_apply_takes_fields_over(
    cluster: KubeClient, control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.api.patch(
        SERVICES.path(namespace, "web") + "?fieldManager=somebody",
        json=service("web", labels={"tier": "db"}),
        headers={"Content-Type": "application/apply-patch+yaml"},
    ).raise_for_status()

    applied = await cluster.apply(
        SERVICES, namespace, "web", service("web", labels={"tier": "web"})
    )

    assert applied["metadata"]["labels"] == {"tier": "web"}


@pytest.mark.parametrize("exists", [True, False])
async def test_an_apply_to_another_uid_is_a_conflict(
    cluster: KubeClient, namespace: str, *, exists: bool
) -> None:
    if exists:
        await cluster.apply(SERVICES, namespace, "web", service("web", 80))
    other = service("web", 81, uid="00000000-0000-0000-0000-000000000000")

    with pytest.raises(ConflictError):
        await cluster.apply(SERVICES, namespace, "web", other)

    items, _ = await cluster.list(SERVICES, namespace)
    assert [item["spec"]["ports"][0]["port"] for item in items] == ([80] if exists else [])


async def test_an_apply_to_an_outdated_version_is_a_conflict(
    cluster: KubeClient, namespace: str
) -> None:
    first = await cluster.apply(SERVICES, namespace, "web", service("web", 80))
    await cluster.apply(SERVICES, namespace, "web", service("web", 81))

    outdated = service("web", 82, resourceVersion=version(first))

    with pytest.raises(ConflictError, match="has been modified"):
        await cluster.apply(SERVICES, namespace, "web", outdated)


async def test_an_apply_to_the_status_leaves_the_rest(cluster: KubeClient, namespace: str) -> None:
    await cluster.apply(SERVICES, namespace, "web", service("web"))
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Tested",
        "message": "",
        "lastTransitionTime": "2026-11-25T12:00:00Z",
    }
    said = service("web") | {"status": {"conditions": [condition]}}
    del said["spec"]

    applied = await cluster.apply(SERVICES, namespace, "web", said, subresource="status")

    assert applied["status"]["conditions"] == [condition]
    assert applied["spec"]["ports"][0]["port"] == 80


async def test_a_create_is_by_our_field_manager(cluster: KubeClient, namespace: str) -> None:
    created = await cluster.create(SERVICES, namespace, service("web"))

    assert created["metadata"]["managedFields"][0]["manager"] == "tailnet-discovery"


async def test_a_create_without_a_name_asks_a_question(cluster: KubeClient) -> None:
    spec = {"resourceAttributes": {"verb": "list", "resource": "services"}}

    review = await cluster.create(ACCESS_REVIEWS, None, {"spec": spec})

    assert review["status"]["allowed"] is True


async def test_a_create_in_a_subresource_names_the_object(
    cluster: KubeClient, control_plane: ControlPlane, namespace: str
) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    control_plane.api.post(accounts, json={"metadata": {"name": "robot"}}).raise_for_status()
    account = Resource("", "v1", "serviceaccounts", "ServiceAccount")
    request = {"metadata": {"name": "robot"}, "spec": {"audiences": []}}

    token = await cluster.create(account, namespace, request, subresource="token")

    assert token["status"]["token"]


async def test_a_replacement_of_an_outdated_version_is_a_conflict(
    cluster: KubeClient, namespace: str
) -> None:
    first = await cluster.create(SERVICES, namespace, service("web", 80))
    first["spec"]["ports"][0]["port"] = 81
    await cluster.replace(SERVICES, namespace, "web", first)

    with pytest.raises(ConflictError, match="has been modified"):
        await cluster.replace(SERVICES, namespace, "web", first)


async def test_a_json_patch_changes_what_its_test_finds(
    cluster: KubeClient, namespace: str
) -> None:
    await cluster.create(SERVICES, namespace, service("web", labels={"tier": "web"}))
    path = "/metadata/labels/tier"
    operations = [
        {"op": "test", "path": path, "value": "web"},
        {"op": "replace", "path": path, "value": "db"},
    ]

    patched = await cluster.json_patch(SERVICES, namespace, "web", operations)

    assert patched["metadata"]["labels"] == {"tier": "db"}
    with pytest.raises(RejectedError):
        await cluster.json_patch(SERVICES, namespace, "web", operations)


async def test_a_delete_is_of_that_uid_alone(cluster: KubeClient, namespace: str) -> None:
    created = await cluster.create(SERVICES, namespace, service("web"))

    with pytest.raises(ConflictError):
        await cluster.delete(SERVICES, namespace, "web", uid="another")
    await cluster.delete(SERVICES, namespace, "web", uid=created["metadata"]["uid"])

    with pytest.raises(NotFoundError):
        await cluster.get(SERVICES, namespace, "web")


async def test_a_delete_is_of_that_version_alone(cluster: KubeClient, namespace: str) -> None:
    first = await cluster.apply(SERVICES, namespace, "web", service("web", 80))
    second = await cluster.apply(SERVICES, namespace, "web", service("web", 81))
    uid = first["metadata"]["uid"]

    with pytest.raises(ConflictError):
        await cluster.delete(SERVICES, namespace, "web", uid=uid, resource_version=version(first))
    await cluster.delete(SERVICES, namespace, "web", uid=uid, resource_version=version(second))

    assert (await cluster.list(SERVICES, namespace))[0] == []


async def test_deleting_what_is_gone_says_so(cluster: KubeClient, namespace: str) -> None:
    with pytest.raises(NotFoundError):
        await cluster.delete(SERVICES, namespace, "web", uid="u")


async def test_a_delete_leaves_what_is_owned_to_the_background(
    scripted: KubeClient, server: ScriptedServer
) -> None:
    server.say({})

    await scripted.delete(SERVICES, "shop", "web", uid="u")

    assert b'"propagationPolicy":"Background"' in server.requests[0].body


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_a_write_whose_answer_is_lost_is_not_repeated(
    through: KubeClient, fault_proxy: FaultProxy, namespace: str, method: str
) -> None:
    path = SERVICES.path(namespace, None if method == "POST" else "web")
    if method != "POST":
        await through.create(SERVICES, namespace, service("web"))
    before = fault_proxy.count(method, path)
    fault_proxy.add(Fault(faults.answer_lost(), method=method, path=path, times=None))
    query = {"fieldManager": "x", "force": "true"} if method == "PATCH" else {}
    body = service("web") if method != "DELETE" else None
    content = "application/apply-patch+yaml" if method == "PATCH" else None

    with pytest.raises(TransientError):
        await through.request(method, path, query=query, body=body, content_type=content)

    assert fault_proxy.count(method, path) == before + 1


async def test_a_large_body_arrives_whole(cluster: KubeClient, namespace: str) -> None:
    endpoints = [
        {"addresses": [f"100.64.{number // 250}.{number % 250 + 1}"], "hostname": "h" * 63}
        for number in range(1000)
    ]
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1"},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [],
    }

    applied = await cluster.apply(ENDPOINT_SLICES, namespace, "web-1", body)

    assert len(applied["endpoints"]) == 1000
