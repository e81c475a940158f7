"""A kind followed on the real API server, through what can happen to it."""

import asyncio
import logging
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from discovery.clients.errors import AuthError, TransientError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.errors import NotServedError
from discovery.clients.kube.resources import CRDS, SERVICES, Resource
from discovery.clients.kube.watching import Watcher
from tests.clients.kube.conftest import service
from tests.clients.kube.followers import Remembering, running, until
from tests.controlplane import faults
from tests.controlplane.access import ControlPlane
from tests.controlplane.faults import Fault
from tests.controlplane.proxy import FaultProxy
from tests.controlplane.server import OwnControlPlane


@pytest.fixture
def seen() -> Remembering:
    return Remembering()


async def shortly(_seconds: float) -> None:
    """Wait a little instead of a second."""
    await asyncio.sleep(0.02)


async def test_the_list_comes_first_and_then_what_happens(
    cluster: KubeClient, namespace: str, seen: Remembering
) -> None:
    await cluster.create(SERVICES, namespace, service("old"))
    watcher = Watcher(cluster, SERVICES, seen, namespace=namespace)

    async with running(watcher):
        await asyncio.wait_for(watcher.synced.wait(), 10)
        assert seen.told == [("replace", "old")]
        new = await cluster.apply(SERVICES, namespace, "new", service("new", 80))
        await cluster.apply(SERVICES, namespace, "new", service("new", labels={"a": "b"}))
        await cluster.delete(SERVICES, namespace, "new", uid=new["metadata"]["uid"])
        await until(lambda: ("remove", "new") in seen.told)

    assert seen.told[1:] == [("upsert", "new"), ("upsert", "new"), ("remove", "new")]


async def test_an_object_that_loses_its_label_is_removed(
    cluster: KubeClient, namespace: str, seen: Remembering
) -> None:
    await cluster.apply(SERVICES, namespace, "web", service("web", labels={"tier": "web"}))
    await cluster.apply(SERVICES, namespace, "db", service("db"))
    watcher = Watcher(cluster, SERVICES, seen, namespace=namespace, labels="tier=web")

    async with running(watcher):
        await asyncio.wait_for(watcher.synced.wait(), 10)
        await cluster.apply(SERVICES, namespace, "web", service("web"))
        await until(lambda: not seen.held)

    assert seen.told == [("replace", "web"), ("remove", "web")]


async def test_an_expired_version_lists_anew(
    through: KubeClient, fault_proxy: FaultProxy, namespace: str, seen: Remembering
) -> None:
    await through.create(SERVICES, namespace, service("goes"))
    await through.create(SERVICES, namespace, service("stays"))
    fault_proxy.add(Fault(faults.watch_expired(), watch=True))

    async def meanwhile(_seconds: float) -> None:
        goes = await through.get(SERVICES, namespace, "goes")
        await through.delete(SERVICES, namespace, "goes", uid=goes["metadata"]["uid"])
        await through.create(SERVICES, namespace, service("comes"))

    watcher = Watcher(through, SERVICES, seen, namespace=namespace, sleep=meanwhile)
    async with running(watcher):
        await until(lambda: "comes" in seen.held)

    assert seen.told == [("replace", "goes stays"), ("replace", "comes stays")]
    assert watcher.problem is None


async def test_a_half_open_watch_is_ended_and_resumed_without_a_new_list(
    cluster: KubeClient, fault_proxy: FaultProxy, namespace: str, seen: Remembering
) -> None:
    path = SERVICES.path(namespace)
    async with connect(fault_proxy.kubeconfig(), quiet=0.3) as client:
        watcher = Watcher(client, SERVICES, seen, namespace=namespace, sleep=shortly)
        async with running(watcher):
            await asyncio.wait_for(watcher.synced.wait(), 10)
            await cluster.create(SERVICES, namespace, service("first"))
            await until(lambda: "first" in seen.held)
            fault_proxy.freeze()
            await cluster.create(SERVICES, namespace, service("web"))
            await until(lambda: fault_proxy.count("GET", path, watch=True) == 2)
            assert "web" not in seen.held
            fault_proxy.clear()
            await until(lambda: "web" in seen.held)

    assert fault_proxy.count("GET", path, watch=False) == 1


async def test_a_cut_connection_is_resumed_from_where_it_was(
    cluster: KubeClient,
    through: KubeClient,
    fault_proxy: FaultProxy,
    namespace: str,
    seen: Remembering,
) -> None:
    watcher = Watcher(through, SERVICES, seen, namespace=namespace, sleep=shortly)
    async with running(watcher):
        await asyncio.wait_for(watcher.synced.wait(), 10)
        await cluster.create(SERVICES, namespace, service("first"))
        await until(lambda: "first" in seen.held)
        fault_proxy.cut()
        await cluster.create(SERVICES, namespace, service("web"))
        await until(lambda: "web" in seen.held)

    assert seen.told == [("replace", ""), ("upsert", "first"), ("upsert", "web")]


async def test_an_api_server_that_goes_away_and_comes_back_is_found_again(
    own_control_plane: OwnControlPlane, seen: Remembering, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="discovery.clients.kube.watching")
    async with connect(own_control_plane.kubeconfig()) as client:
        await client.create(SERVICES, "default", service("before"))
        watcher = Watcher(client, SERVICES, seen, namespace="default", sleep=shortly)
        async with running(watcher):
            await asyncio.wait_for(watcher.synced.wait(), 10)
            await asyncio.to_thread(own_control_plane.kill)
            await until(lambda: watcher.problem is not None)
            problem = watcher.problem
            held = dict(seen.held)
            await asyncio.to_thread(own_control_plane.start)
            await client.create(SERVICES, "default", service("after"))
            await until(lambda: "after" in seen.held)
            await until(lambda: watcher.problem is None)

    assert isinstance(problem, TransientError)
    assert "before" in held
    assert ("remove", "before") not in seen.told
    assert [record.message for record in caplog.records][-1] == "cluster followed again"


async def test_a_missing_right_is_the_problem_until_it_is_granted(
    control_plane: ControlPlane,
    namespace: str,
    seen: Remembering,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="discovery.clients.kube.watching")
    async with connect(control_plane.service_account(namespace, "robot")) as robot:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            await asyncio.sleep(0.02)

        watcher = Watcher(robot, SERVICES, seen, namespace=namespace, sleep=sleep)
        async with running(watcher):
            await until(lambda: len(pauses) > 2)
            assert isinstance(watcher.problem, AuthError)
            assert 'cannot list resource "services"' in str(watcher.problem)
            assert not watcher.synced.is_set()
            assert seen.told == []
            assert [record.message for record in caplog.records] == ["cluster not followed"]
            grant(control_plane, namespace, "robot", ["list", "watch"])
            await asyncio.wait_for(watcher.synced.wait(), 10)
            await until(lambda: watcher.problem is None)

    messages = [record.message for record in caplog.records]
    assert messages == ["cluster not followed", "cluster followed again"]
    assert caplog.records[0].__dict__["resource"] == "services"


async def test_where_only_watching_is_refused_the_lists_go_on(
    control_plane: ControlPlane, cluster: KubeClient, namespace: str, seen: Remembering
) -> None:
    grant(control_plane, namespace, "robot", ["list"])
    async with connect(control_plane.service_account(namespace, "robot")) as robot:
        watcher = Watcher(robot, SERVICES, seen, namespace=namespace, sleep=shortly)
        async with running(watcher):
            await until(lambda: watcher.problem is not None)
            assert 'cannot watch resource "services"' in str(watcher.problem)
            await cluster.create(SERVICES, namespace, service("web"))
            await until(lambda: "web" in seen.held)
            assert watcher.problem is not None


async def test_a_kind_whose_crd_comes_later_is_followed_then(
    cluster: KubeClient, widgets: Resource, seen: Remembering
) -> None:
    watcher = Watcher(cluster, widgets, seen, sleep=shortly)
    async with running(watcher):
        await until(lambda: watcher.problem is not None)
        assert isinstance(watcher.problem, NotServedError)
        assert not watcher.synced.is_set()
        await cluster.create(CRDS, None, crd(widgets))
        await asyncio.wait_for(watcher.synced.wait(), 10)
        body = {"apiVersion": widgets.api_version, "kind": widgets.kind}
        await until(lambda: watcher.problem is None)
        await cluster.apply(widgets, None, "one", body | {"metadata": {"name": "one"}})
        await until(lambda: "one" in seen.held)


async def test_a_crd_that_goes_away_is_a_problem_and_no_empty_list(
    cluster: KubeClient, widgets: Resource, seen: Remembering
) -> None:
    created = await cluster.create(CRDS, None, crd(widgets))
    watcher = Watcher(cluster, widgets, seen, sleep=shortly)
    async with running(watcher):
        await asyncio.wait_for(watcher.synced.wait(), 10)
        lists = len(seen.told)
        uid = created["metadata"]["uid"]
        await cluster.delete(CRDS, None, created["metadata"]["name"], uid=uid)
        await until(lambda: isinstance(watcher.problem, NotServedError), within=30)

        assert ("replace", "") not in seen.told[lists:]
        assert watcher.synced.is_set()


@pytest.fixture
def widgets(control_plane: ControlPlane) -> Iterator[Resource]:
    """A kind of the test's own, without its CRD."""
    group = f"{secrets.token_hex(4)}.example.com"
    yield Resource(group, "v1", "widgets", "Widget")
    control_plane.api.delete(CRDS.path(None, f"widgets.{group}"))


def crd(resource: Resource) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Cluster",
            "names": {"plural": resource.plural, "kind": resource.kind},
            "versions": [version],
        },
    }


def grant(server: ControlPlane, namespace: str, account: str, verbs: list[str]) -> None:
    """Let a ServiceAccount do this with Services in its namespace."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": ["services"], "verbs": verbs}]
    role = {"metadata": {"name": account}, "rules": rules}
    server.api.post(f"{rbac}/roles", json=role).raise_for_status()
    binding = {
        "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    server.api.post(f"{rbac}/rolebindings", json=binding).raise_for_status()
