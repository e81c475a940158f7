"""The program as an identity with the rights of the table: they are enough, and each is needed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.errors import AuthError
from discovery.clients.kube.access import (
    PERMISSIONS,
    Permission,
    Scope,
    Use,
    missing,
    needed,
    rules,
)
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.events import EventRecorder, Regarding
from discovery.clients.kube.lease import Elector, Timing
from discovery.clients.kube.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    SERVICES,
)
from discovery.clients.kube.watching import Watcher
from discovery.controller import check_rights
from discovery.stores import OutdatedError, StoreError, WriteError
from discovery.stores.cluster import ClusterStore
from tests.cluster.conftest import Cluster, Objects, Programs, condition
from tests.cluster.replica import Log, running
from tests.cluster.test_store import APIS, World
from tests.controlplane.access import ControlPlane

LEASE = "tailnet-discovery"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"


@pytest.fixture
def log() -> Log:
    return Log()


@dataclass
class Accounts:
    """Makes ServiceAccounts of the test's namespace that have certain rights there."""

    server: ControlPlane
    namespace: str

    async def kubeconfig(self, rights: Iterable[Permission], name: str = "program") -> Path:
        return await asyncio.to_thread(self._make, tuple(rights), name)

    def _make(self, rights: tuple[Permission, ...], name: str) -> Path:
        granted = rules(rights, Scope.WATCHED) + rules(rights, Scope.OWN, lease=LEASE)
        role = {"metadata": {"name": name}, "rules": granted}
        account = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        binding = {"metadata": {"name": name}, "subjects": [account], "roleRef": reference}
        for plural, body in (("roles", role), ("rolebindings", binding)):
            path = ROLES.format(self.namespace, plural)
            self.server.api.post(path, json=body).raise_for_status()
        return self.server.service_account(self.namespace, name)


@pytest.fixture
def accounts(control_plane: ControlPlane, namespace: str) -> Accounts:
    return Accounts(control_plane, namespace)


def without_service_name(slices: Objects) -> bool:
    """Tell whether the slices of a Service have been deleted for others, of none."""
    labels = [one["metadata"]["labels"] for one in slices.values()]
    return bool(labels) and not any("kubernetes.io/service-name" in each for each in labels)


def uids(objects: Objects) -> set[str]:
    return {one["metadata"]["uid"] for one in objects.values()}


async def until_missing(client: KubeClient, namespace: str, *lacking: Permission) -> None:
    """Wait until the API server has seen the role, and grants all but these."""
    async with asyncio.timeout(10):
        while await missing(client, needed(Use.RUN), namespace, lease=LEASE) != lacking:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # nothing tells of it


async def test_the_rights_of_the_table_are_enough(
    cluster: Cluster, accounts: Accounts, tmp_path: Path
) -> None:
    kubeconfig = await accounts.kubeconfig(needed(Use.RUN))
    async with connect(kubeconfig) as client:
        await until_missing(client, cluster.namespace)
    await cluster.create("api")
    async with running(kubeconfig, cluster.namespace):
        await cluster.until_endpoints(*APIS)
        await cluster.until_condition("api", "Ready", "True")
        await cluster.until(EVENTS, lambda held: len(held) > 0)
        (held,) = await cluster.slices()
        await cluster.delete(ENDPOINT_SLICES, held["metadata"]["name"])
        uid = held["metadata"]["uid"]
        await cluster.until(ENDPOINT_SLICES, lambda held: bool(held) and uid not in uids(held))
        await cluster.edit("api", service={"enabled": False})
        await cluster.until(SERVICES, lambda held: not held)
        await cluster.until(ENDPOINT_SLICES, without_service_name)
    lease = await cluster.client.get(LEASES, cluster.namespace, LEASE)
    assert lease["spec"]["holderIdentity"] == ""


async def test_plan_needs_no_right_to_write(
    cluster: Cluster, programs: Programs, accounts: Accounts
) -> None:
    await cluster.create("api")
    kubeconfig = await accounts.kubeconfig(needed(Use.PLAN))
    code, out, err = await programs.call("plan", kubeconfig=kubeconfig)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "Plan: 2 to create, 0 to update, 0 to delete, 0 unchanged."


async def test_without_any_right_each_is_named_at_the_start_and_the_program_goes_on(
    cluster: Cluster, programs: Programs, accounts: Accounts
) -> None:
    controller = await programs.start(kubeconfig=await accounts.kubeconfig(()))
    await controller.says("right missing", times=len(needed(Use.RUN)))
    await controller.says("cluster not followed", times=3)
    lines = [line for line in controller.log if "right missing" in line]
    for permission, line in zip(needed(Use.RUN), lines, strict=True):
        assert f"{permission.verb} {permission.resource}" in line
    assert await controller.stop() == 0


@dataclass
class Scene:
    """The same namespace as an administrator sees it, and as who lacks one right does."""

    admin: World
    limited: World
    log: Log

    async def made(self) -> None:
        """Let the administrator make a resource and its children."""
        await self.admin.cluster.create("api")
        await self.admin.turn("api")

    @property
    def elector(self) -> Elector:
        cluster = self.limited.cluster
        return Elector(cluster.client, cluster.namespace, LEASE, "me", Timing(2.0, 1.0, 0.3))


async def nothing_is_known(scene: Scene) -> None:
    cluster = scene.limited.cluster
    with pytest.raises(AuthError):
        await ClusterStore(cluster.client, "default", namespace=cluster.namespace).load()


def nothing_is_followed(plural: str) -> Callable[[Scene], Awaitable[None]]:
    async def check(scene: Scene) -> None:
        cluster = scene.limited.cluster
        store = ClusterStore(cluster.client, "default", namespace=cluster.namespace)
        ((resource, cache, labels),) = [w for w in store.watched() if w[0].plural == plural]
        watcher = Watcher(
            cluster.client, resource, cache, namespace=cluster.namespace, labels=labels
        )
        following = asyncio.create_task(watcher.run())
        await scene.log.says("cluster not followed", plural, "forbidden")
        following.cancel()

    return check


async def no_status(scene: Scene) -> None:
    await scene.admin.cluster.create("api")
    with pytest.raises(WriteError, match=r"^the status can not be written: "):
        await scene.limited.turn("api")
    assert len(await scene.admin.cluster.slices()) == 1
    assert "status" not in await scene.admin.cluster.resource("api")


def no_child(kind: str) -> Callable[[Scene], Awaitable[None]]:
    async def check(scene: Scene) -> None:
        await scene.admin.cluster.create("api")
        with pytest.raises(WriteError, match=f"the first of {kind} "):
            await scene.limited.turn("api")
        resource = await scene.admin.cluster.resource("api")
        synced = condition(resource, "EndpointsSynced")
        assert (synced["status"], synced["reason"]) == ("False", "WriteFailed")
        assert "forbidden" in synced["message"]

    return check


def not_changed(kind: str, **spec: Any) -> Callable[[Scene], Awaitable[None]]:
    async def check(scene: Scene) -> None:
        await scene.made()
        await scene.admin.cluster.edit("api", **spec)
        children = {k: v for k, v in (await scene.admin.cluster.versions()).items() if kind in k}
        with pytest.raises(WriteError, match=f"the first of {kind} .*forbidden"):
            await scene.limited.turn("api")
        after = await scene.admin.cluster.versions()
        assert children
        assert children.items() <= after.items()

    return check


async def names_of_services_are_not_known(scene: Scene) -> None:
    await scene.admin.cluster.create("api")
    with pytest.raises(StoreError, match=r"^Service .* can not be read: "):
        await scene.limited.turn("api")


async def a_slice_without_its_label_stays_so(scene: Scene) -> None:
    await scene.made()
    await unlabel_slice(scene.admin.cluster)
    store, reconciler = await scene.limited.open()
    for _ in range(2):
        with pytest.raises(OutdatedError):
            await reconciler.reconcile(scene.limited.key("api"), scene.limited.now)
    assert len(store.slices) == 0


async def unlabel_slice(cluster: Cluster) -> None:
    (held,) = await cluster.slices()
    label = "/metadata/labels/endpointslice.kubernetes.io~1managed-by"
    name = held["metadata"]["name"]
    operations = [{"op": "remove", "path": label}]
    await cluster.client.json_patch(ENDPOINT_SLICES, cluster.namespace, name, operations)


def recorded(times: int) -> Callable[[Scene], Awaitable[None]]:
    async def check(scene: Scene) -> None:
        cluster, clock = scene.limited.cluster, [0.0]
        recorder = EventRecorder(cluster.client, instance="me", monotonic=lambda: clock[0])
        about = Regarding("v1", "ConfigMap", cluster.namespace, "about", "uid")
        for _ in range(times):
            recorder.record(about, "Normal", "Reason", "Action", "A note.")
        await recorder.flush()
        clock[0] += 3600.0
        await recorder.flush()
        assert recorder.dropped["refused"] == 1

    return check


async def no_leader(scene: Scene) -> None:
    with pytest.raises(AuthError):
        await scene.elector.acquire(within=0)


async def no_successor(scene: Scene) -> None:
    cluster = scene.admin.cluster
    before = Elector(cluster.client, cluster.namespace, LEASE, "before", Timing(2.0, 1.0, 0.3))
    await before.acquire()
    await before.release()
    await no_leader(scene)


SLICE, SERVICE = "EndpointSlice", "Service"
WITHOUT: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "list tailscaleendpoints": nothing_is_known,
    "watch tailscaleendpoints": nothing_is_followed("tailscaleendpoints"),
    "patch tailscaleendpoints/status": no_status,
    "update tailscaleendpoints/finalizers": no_child(SERVICE),
    "get endpointslices": a_slice_without_its_label_stays_so,
    "list endpointslices": nothing_is_known,
    "watch endpointslices": nothing_is_followed("endpointslices"),
    "create endpointslices": no_child(SLICE),
    "patch endpointslices": not_changed(SLICE, service={"name": "another"}),
    "delete endpointslices": not_changed(SLICE, service={"enabled": False}),
    "get services": names_of_services_are_not_known,
    "list services": nothing_is_known,
    "watch services": nothing_is_followed("services"),
    "create services": no_child(SERVICE),
    "patch services": not_changed(SERVICE, discovery={"ports": [{"name": "http", "port": 9090}]}),
    "delete services": not_changed(SERVICE, service={"enabled": False}),
    "create events": recorded(1),
    "patch events": recorded(2),
    "get leases": no_leader,
    "create leases": no_leader,
    "update leases": no_successor,
}


def spelled(permission: Permission) -> str:
    parts = (permission.resource, permission.subresource)
    return f"{permission.verb} {'/'.join(part for part in parts if part)}"


@asynccontextmanager
async def heard(log: Log) -> AsyncIterator[None]:
    logger = logging.getLogger("discovery")
    level = logger.level
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    yield
    logger.removeHandler(log)
    logger.setLevel(level)


@pytest.mark.parametrize("lacking", PERMISSIONS, ids=spelled)
async def test_without_one_right_one_thing_is_missing_and_the_check_names_it(
    cluster: Cluster, accounts: Accounts, tmp_path: Path, log: Log, lacking: Permission
) -> None:
    rights = [one for one in needed(Use.RUN) if one != lacking]
    kubeconfig = await accounts.kubeconfig(rights)
    namespace = cluster.namespace
    async with heard(log), connect(kubeconfig) as client:
        await until_missing(client, namespace, lacking)
        await check_rights(client, needed(Use.RUN), namespace, LEASE)
        (line,) = log.having("right missing")
        assert f"permission={lacking.verb} {lacking.resource}" in line
        limited = World(Cluster(client, namespace), tmp_path)
        await WITHOUT[spelled(lacking)](Scene(World(cluster, tmp_path), limited, log))
