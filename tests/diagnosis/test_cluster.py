from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from discovery.clients.errors import APIError, AuthError, TransientError
from discovery.clients.kube.access import PERMISSIONS, Scope, rules
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.diagnosis.check import Check
from discovery.diagnosis.cluster import CHECKS, Installation, _check_crd, check_cluster
from tests.controlplane.access import CRD, CRD_PATH, ControlPlane
from tests.controlplane.server import OwnControlPlane

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
NAME = "tailscaleendpoints.gateway.tailscale.com"


async def checked(
    client: KubeClient, namespace: str | None = None, lease: str = "tailnet-discovery"
) -> dict[str, Check]:
    found = await check_cluster(client, Installation(lease, namespace, PERMISSIONS))
    return {check.name: check for check in found}


def line(check: Check) -> tuple[str, str]:
    return str(check.result), check.detail


class Answering(KubeClient):
    """A client of a server that answers everything with one object, or one error."""

    def __init__(self, answer: dict[str, Any] | APIError) -> None:
        self._answer = answer

    @property
    def server(self) -> str:
        return "https://old.example:6443"

    async def request(self, *asked: Any, **more: Any) -> dict[str, Any]:
        del asked, more
        if isinstance(self._answer, APIError):
            raise self._answer
        return self._answer


@pytest.fixture
async def admin(control_plane: ControlPlane, namespace: str) -> AsyncIterator[KubeClient]:
    async with connect(control_plane.kubeconfig(namespace=namespace)) as client:
        yield client


async def test_the_checks_come_in_the_order_in_which_they_are_named(admin: KubeClient) -> None:
    assert tuple(await checked(admin)) == CHECKS


async def test_an_api_server_of_today_is_new_enough(
    admin: KubeClient, control_plane: ControlPlane
) -> None:
    result, detail = line((await checked(admin))["API server"])

    assert result == "ok"
    assert detail.startswith(f"{control_plane.url}, v1.")


async def test_an_old_api_server_fails_and_the_rest_is_not_asked() -> None:
    checks = await checked(Answering({"gitVersion": "v1.31.9+k3s1"}))

    assert line(checks["API server"]) == (
        "failed",
        (
            "https://old.example:6443, v1.31.9+k3s1 is too old: the rules of the CRD need 1.32 or "
            "newer. Upgrade the cluster."
        ),
    )
    for name in CHECKS[1:]:
        assert line(checks[name]) == ("skipped", "the API server does not serve us")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (TransientError("refused", where="GET /version"), "Look at the kubeconfig's server"),
        (AuthError("Unauthorized", where="GET /version", status=401), "Log in again"),
    ],
)
async def test_an_api_server_that_does_not_answer_fails_with_advice(
    error: APIError, advice: str
) -> None:
    checks = await checked(Answering(error))

    result, detail = line(checks["API server"])
    assert result == "failed"
    assert str(error) in detail
    assert advice in detail
    assert {checks[name].result for name in CHECKS[1:]} == {"skipped"}


async def test_the_crd_of_this_version_is_fine(admin: KubeClient) -> None:
    assert line((await checked(admin))["CRD"]) == (
        "ok",
        "gateway.tailscale.com/v1alpha1 is served, as it should be",
    )


async def test_every_identity_may_ask_for_the_crd(control_plane: ControlPlane) -> None:
    async with connect(control_plane.kubeconfig("nobody")) as nobody:
        assert (await checked(nobody))["CRD"].result == "ok"


async def test_an_older_and_a_missing_crd_fail(own_control_plane: OwnControlPlane) -> None:
    older = yaml.safe_load(CRD.read_text())
    spec = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["discovery"]
    async with connect(own_control_plane.kubeconfig()) as client:
        own_control_plane.install_crd(yaml.safe_dump(older))
        result, detail = line(await published(client, "older"))

        assert result == "failed"
        assert detail.startswith(
            "served, but older than this version: it lacks spec.discovery, "
            "spec.discovery.addressFamilies, spec.discovery.addressFamilies[]=IPv4 and more. "
            "Run helm upgrade, or: tailnet-discovery crd | kubectl apply --server-side -f -"
        )

        own_control_plane.api.delete(f"{CRD_PATH}/{NAME}").raise_for_status()
        assert line(await published(client, "not served")) == (
            "failed",
            (
                "tailscaleendpoints of gateway.tailscale.com/v1alpha1 is not served. Run helm "
                "upgrade, or: tailnet-discovery crd | kubectl apply --server-side -f -"
            ),
        )


async def test_a_crd_without_a_status_is_not_served_as_it_should_be() -> None:
    check = await _check_crd(Answering({"resources": [{"name": "tailscaleendpoints"}]}))

    assert check.result == "failed"
    assert "is not served" in check.detail


async def published(client: KubeClient, word: str) -> Check:
    """Wait until the server publishes what it serves, which it does within a second or two."""
    while True:
        check = (await checked(client))["CRD"]
        if word in check.detail:
            return check


async def test_the_administrator_has_every_right(admin: KubeClient) -> None:
    assert line((await checked(admin))["rights"]) == (
        "ok",
        "all that the controller needs, in every namespace",
    )


async def test_a_missing_right_is_named(control_plane: ControlPlane) -> None:
    async with connect(control_plane.kubeconfig("nobody")) as nobody:
        result, detail = line((await checked(nobody, "default"))["rights"])

    assert result == "failed"
    assert detail.startswith("missing: ")
    assert "tailscaleendpoints" in detail
    assert detail.endswith("Bind the chart's role to the account that runs the controller.")


async def test_the_rights_of_the_chart_are_enough(
    control_plane: ControlPlane, namespace: str
) -> None:
    account = control_plane.service_account(namespace, "controller")
    grant(control_plane, namespace, rules(PERMISSIONS, Scope.WATCHED))
    grant(control_plane, namespace, rules(PERMISSIONS, Scope.OWN, lease="tailnet-discovery"))

    async with connect(account) as client:
        assert line((await checked(client, namespace))["rights"]) == (
            "ok",
            f"all that the controller needs, in {namespace}",
        )


def grant(control_plane: ControlPlane, namespace: str, rules: list[dict[str, list[str]]]) -> None:
    """Give the rights of the rules to the account "controller", within the namespace."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    metadata = {"generateName": "doctor-"}
    role = control_plane.api.post(f"{rbac}/roles", json={"metadata": metadata, "rules": rules})
    name = role.raise_for_status().json()["metadata"]["name"]
    binding = {
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "controller", "namespace": namespace}],
    }
    control_plane.api.post(f"{rbac}/rolebindings", json=binding).raise_for_status()


async def test_a_lease_that_nobody_has_made_yet_is_fine(admin: KubeClient, namespace: str) -> None:
    assert line((await checked(admin))["Lease"]) == (
        "ok",
        f"there is no {namespace}/tailnet-discovery yet: no controller has run in this namespace",
    )


@pytest.mark.parametrize(
    ("holder", "said"),
    [
        ("pod-7_x", "pod-7_x holds {}/held, renewed at 2026-11-25T12:00:00.000000Z"),
        ("", "nobody holds {}/held"),
    ],
)
async def test_the_holder_of_the_lease_is_named(
    admin: KubeClient, control_plane: ControlPlane, namespace: str, holder: str, said: str
) -> None:
    spec = {"holderIdentity": holder, "renewTime": "2026-11-25T12:00:00.000000Z"}
    made = {"metadata": {"name": "held"}, "spec": spec}
    control_plane.api.post(LEASES.format(namespace), json=made).raise_for_status()

    checks = await checked(admin, lease="held")

    assert line(checks["Lease"]) == ("ok", said.format(namespace))


async def test_a_lease_that_may_not_be_read_is_skipped(control_plane: ControlPlane) -> None:
    async with connect(control_plane.kubeconfig("nobody")) as nobody:
        result, detail = line((await checked(nobody))["Lease"])

    assert result == "skipped"
    assert detail.startswith("default/tailnet-discovery can not be read: ")
    assert "leases" in detail
