"""Approving a removal in a cluster: the controller carries it out, and nothing else."""

import json
import re
from typing import Any

import pytest

from discovery.cli.approve import _in_cluster
from discovery.cli.errors import CommandError
from discovery.cli.where import Where
from discovery.clients.kube.access import Permission, Scope
from discovery.clients.kube.resources import TAILSCALE_ENDPOINTS
from discovery.simulator import SimulatorState
from tests.cluster.conftest import CONFIG, Cluster, Objects, Programs, condition, endpoints
from tests.cluster.test_rights import Accounts
from tests.controlplane.access import ControlPlane

ANNOTATION = "gateway.tailscale.com/approve-removal"
CONFIRMED_LATE = f"{CONFIG}  removal: {{confirmations: 100}}\n"
PRODUCTION = [{"key": "env", "operator": "In", "values": ["production"]}]
LEFT = ["api-3", "cache-1", "db-1", "db-2", "gpu-1", "grpc-1"]
SCALED_DOWN = ["api-1", "api-2", "web-1", "web-2"]


def take(state: SimulatorState, *names: str) -> list[Any]:
    """Take machines out of the tailnet; return them, to be put back."""
    gone = [d for d in state.devices if d["name"].removesuffix(".company.ts.net") in names]
    state.devices = [device for device in state.devices if device not in gone]
    return gone


async def slices_of(cluster: Cluster, name: str) -> list[str]:
    return endpoints(await cluster.slices(name))


async def until_held(cluster: Cluster, name: str, plan: str = "") -> str:
    """Wait until a removal waits; return its plan, another one than ``plan`` if that is given."""

    def waits(held: Objects) -> bool:
        removal = (held[name].get("status") or {}).get("removal", {})
        return bool(removal.get("total")) and removal["plan"] != plan

    held = await cluster.until(TAILSCALE_ENDPOINTS, waits)
    found: str = held[name]["status"]["removal"]["plan"]
    return found


async def until_released(cluster: Cluster, name: str) -> None:
    """Wait until nothing is blocked any more."""
    await cluster.until(
        TAILSCALE_ENDPOINTS, lambda held: not condition(held[name], "RemovalBlocked")
    )


@pytest.fixture
def accounts(control_plane: ControlPlane, namespace: str) -> Accounts:
    return Accounts(control_plane, namespace)


async def test_a_scale_down_over_the_budget_waits_and_goes_once_it_is_approved(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    for name in ("production", "other"):
        await cluster.create(name, tagSelectors=PRODUCTION)
    controller = await programs.start("run", config=CONFIRMED_LATE)
    for name in ("production", "other"):
        await cluster.until_condition(name, "Ready", "True")
    take(state, *SCALED_DOWN)
    plan = await until_held(cluster, "production")
    await until_held(cluster, "other")
    code, out, err = await programs.call("approve", "production", config=CONFIRMED_LATE)
    assert (code, err) == (0, "")
    assert re.findall(r"^\w+-\d", out, re.MULTILINE) == SCALED_DOWN
    said = f"Approved: plan {plan} of {cluster.namespace}/production, 4 endpoints. The controller"
    assert said in out
    await controller.says("endpoint removed", times=4)
    await until_released(cluster, "production")
    assert await slices_of(cluster, "production") == LEFT
    assert await slices_of(cluster, "other") == sorted(LEFT + SCALED_DOWN)


async def test_an_approval_is_used_up_although_the_same_devices_go_again(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api", discovery={"removal": {"policy": "Approve"}})
    controller = await programs.start()
    await cluster.until_endpoints("api-1", "api-2", "api-3")
    gone = take(state, "api-1", "api-2", "api-3")
    plan = await until_held(cluster, "api")
    assert (await programs.call("approve", f"{cluster.namespace}/api"))[0] == 0
    await controller.says("endpoint removed", times=3)
    state.devices += gone
    await cluster.until_endpoints("api-1", "api-2", "api-3")
    take(state, "api-1", "api-2", "api-3")
    assert await until_held(cluster, "api") == plan
    assert await slices_of(cluster, "api") == ["api-1", "api-2", "api-3"]
    assert (await programs.call("approve", "api", "--plan", plan))[0] == 0
    await controller.says("endpoint removed", times=6)


async def test_an_applied_manifest_with_the_annotation_approves_as_well(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    resource = await cluster.create("api", discovery={"removal": {"policy": "Approve"}})
    controller = await programs.start()
    await cluster.until_endpoints("api-1", "api-2", "api-3")
    take(state, "api-1", "api-2", "api-3")
    plan = await until_held(cluster, "api")
    manifest = {key: resource[key] for key in ("apiVersion", "kind", "spec")}
    metadata = {"name": "api", "namespace": cluster.namespace, "annotations": {ANNOTATION: plan}}
    await cluster.client.apply(
        TAILSCALE_ENDPOINTS, cluster.namespace, "api", {**manifest, "metadata": metadata}
    )
    await controller.says("endpoint removed", times=3)


async def test_the_approval_is_a_field_of_its_own_manager_and_stays(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api", discovery={"removal": {"policy": "Approve"}})
    await programs.start()
    await cluster.until_endpoints("api-1", "api-2", "api-3")
    take(state, "api-1", "api-2", "api-3")
    plan = await until_held(cluster, "api")
    await programs.call("approve", "api")
    await cluster.until_endpoints()
    await until_released(cluster, "api")
    metadata = (await cluster.resource("api"))["metadata"]
    assert metadata["annotations"][ANNOTATION].startswith(f"{plan}/")
    (entry,) = [e for e in metadata["managedFields"] if "approve" in e["manager"]]
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, f"f:{ANNOTATION}": {}}}}
    assert (entry["manager"], entry["fieldsV1"]) == ("tailnet-discovery-approve", fields)


async def test_what_can_not_be_approved_is_one_line_and_writes_nothing(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    await cluster.create("api", discovery={"removal": {"policy": "Approve"}})
    await cluster.create("web", tagSelectors=[{"key": "gpu", "operator": "Exists"}])
    await programs.call("sync")
    take(state, "api-1", "api-2", "api-3")
    await programs.call("sync")
    plan = await until_held(cluster, "api")
    before = await cluster.versions()
    refused = {
        ("nothing",): f"there is no resource {cluster.namespace}/nothing (https://",
        ("nowhere/api",): "there is no resource nowhere/api (https://",
        ("web",): f"no removal waits there ({cluster.namespace}/web). ",
        ("api", "--plan", "0" * 12): f"plan {'0' * 12} is not the one that waits, which is {plan}",
    }
    for arguments, said in refused.items():
        code, out, err = await programs.call("approve", *arguments)
        assert (code, out, err.count("\n")) == (3, "", 1)
        assert said in err
    assert await cluster.versions() == before


@pytest.mark.parametrize("recreated", [False, True], ids=["gone", "recreated"])
async def test_a_resource_that_goes_meanwhile_is_not_approved(
    cluster: Cluster, control_plane: ControlPlane, recreated: bool
) -> None:
    await cluster.create("api")
    where = Where(kubeconfig=control_plane.kubeconfig(), namespace=cluster.namespace)
    async with _in_cluster(where, "api") as found:
        await cluster.delete(TAILSCALE_ENDPOINTS, "api")
        if recreated:
            await cluster.create("api")
        with pytest.raises(CommandError, match="is gone, or is another resource by now"):
            await found.write("0123456789ab/now")
    if recreated:
        assert "annotations" not in (await cluster.resource("api"))["metadata"]


async def test_a_plan_of_the_manifest_knows_of_the_approval(
    cluster: Cluster, programs: Programs, state: SimulatorState
) -> None:
    resource = await cluster.create("api", discovery={"removal": {"policy": "Approve"}})
    await programs.call("sync")
    take(state, "api-1", "api-2", "api-3")
    await programs.call("sync")
    manifest = {key: resource[key] for key in ("apiVersion", "kind", "spec")}
    manifest["metadata"] = {"name": "api", "namespace": cluster.namespace}
    file = programs.folder / "api.yaml"
    file.write_text(json.dumps(manifest))
    for code in (0, 1):
        assert (await programs.call("plan", "-f", str(file), "--exit-code"))[0] == code
        await programs.call("approve", "api")


def right(verb: str) -> Permission:
    group, plural = TAILSCALE_ENDPOINTS.group, TAILSCALE_ENDPOINTS.plural
    return Permission(group, plural, "", verb, Scope.WATCHED, "approve removals", frozenset())


async def test_get_and_patch_are_the_rights_that_it_takes(
    cluster: Cluster, programs: Programs, state: SimulatorState, accounts: Accounts
) -> None:
    await cluster.create("api", discovery={"removal": {"policy": "Approve"}})
    await programs.call("sync")
    take(state, "api-1", "api-2", "api-3")
    await programs.call("sync")
    reader = await accounts.kubeconfig([right("get")], "reader")
    approver = await accounts.kubeconfig([right("get"), right("patch")], "approver")
    code, out, err = await programs.call("approve", "api", kubeconfig=reader)
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert 'cannot patch resource "tailscaleendpoints"' in err
    code, out, err = await programs.call("approve", "api", kubeconfig=approver)
    assert (code, err) == (0, "")
