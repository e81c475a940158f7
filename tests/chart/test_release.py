"""Helm against a real API server: what an installation makes, changes and leaves behind."""

import dataclasses
import os
import re
import secrets
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from discovery.clients.kube.access import PERMISSIONS, missing
from discovery.clients.kube.connect import connect
from tests.chart.helm import CHART, Helm, HelmError
from tests.chart.release import Release
from tests.controlplane.access import CRD, CRD_PATH
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.processes import POLL
from tests.controlplane.programs import client_program
from tests.controlplane.server import OwnControlPlane

ROOT = CHART.parents[1]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES_PATH, BINDINGS_PATH = f"{RBAC}/clusterroles", f"{RBAC}/clusterrolebindings"
LABEL = "app.kubernetes.io/part-of=tailnet-discovery"
ENDPOINTS = "/apis/gateway.tailscale.com/v1alpha1/namespaces/{}/tailscaleendpoints"
MERGE = {"Content-Type": "application/merge-patch+json"}
CRD_NAME = "tailscaleendpoints.gateway.tailscale.com"
RESOURCE = """
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata: {name: production-api, namespace: default}
spec:
  tailnet: company.ts.net
  tagSelectors: [{key: env, operator: In, values: [production]}]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnControlPlane]:
    """An API server for this module alone: a CustomResourceDefinition is a cluster's."""
    server = OwnControlPlane(tmp_path_factory.mktemp("chart") / "control-plane", os.getpid())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def release(helm: Helm, server: OwnControlPlane, tmp_path: Path) -> Iterator[Release]:
    """A release that is not installed yet, in a cluster without the CustomResourceDefinition."""
    with a_release(helm, server, tmp_path) as release:
        yield release


@pytest.fixture
def release4(helm4: Helm, server: OwnControlPlane, tmp_path: Path) -> Iterator[Release]:
    """The same with Helm 4 alone, where it is the API server that the test is about."""
    with a_release(helm4, server, tmp_path) as release:
        yield release


@contextmanager
def a_release(helm: Helm, server: OwnControlPlane, folder: Path) -> Iterator[Release]:
    kubeconfig = server.kubeconfig()
    kubectl = Kubectl(client_program("kubectl"), kubeconfig, folder)
    connected = dataclasses.replace(helm, kubeconfig=kubeconfig)
    yield Release(connected, kubectl, f"chart-{secrets.token_hex(3)}")
    for path in (ROLES_PATH, BINDINGS_PATH):
        server.api.delete(path, params={"labelSelector": LABEL}).raise_for_status()
    remove_crd(server)


def remove_crd(server: OwnControlPlane) -> None:
    """Remove the CRD with what is left of its kind, and return when it is gone."""
    crd = f"{CRD_PATH}/{CRD_NAME}"
    server.api.delete(ENDPOINTS.format("default"))
    server.api.delete(crd)
    began = time.monotonic()
    while (left := server.api.get(crd)).is_success:
        time.sleep(POLL)
        waited = time.monotonic() - began
        assert waited < 60, left.text[-2000:]
        if waited > 5:  # the controller behind the finalizer backs off on a busy machine
            server.api.patch(crd, json={"metadata": {"finalizers": None}}, headers=MERGE)


def test_an_installation_makes_all_that_it_renders(release: Release) -> None:
    release.install()

    assert sorted(release.objects()) == [
        "ClusterRole/td-tailnet-discovery",
        "ClusterRoleBinding/td-tailnet-discovery",
        "ConfigMap/td-tailnet-discovery",
        f"CustomResourceDefinition/{CRD_NAME}",
        "Deployment/td-tailnet-discovery",
        "Role/td-tailnet-discovery-lease",
        "RoleBinding/td-tailnet-discovery-lease",
        "Secret/td-tailnet-discovery-oauth",
        "Service/td-tailnet-discovery-metrics",
        "ServiceAccount/td-tailnet-discovery",
    ]


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_an_upgrade_changes_what_the_values_change(release: Release) -> None:
    release.install()
    first = release.versions()

    release.upgrade()
    again = release.versions()
    release.upgrade("--set", "oauth.clientSecret=another")
    rotated = release.versions()
    release.upgrade("--set", "mode=Observe")
    observing = release.versions()

    assert changed(first, again) == set()
    assert changed(again, rotated) == {"Secret/td-tailnet-discovery-oauth"}
    assert changed(rotated, observing) == {
        "ConfigMap/td-tailnet-discovery",
        "Deployment/td-tailnet-discovery",
    }


def test_a_schedule_takes_the_place_of_the_deployment_and_back(release4: Release) -> None:
    release4.install()

    release4.upgrade("--set", "schedule=*/5 * * * *")
    scheduled = release4.objects().keys()
    release4.upgrade("--set", "schedule=")

    assert "CronJob/td-tailnet-discovery" in scheduled
    assert "Deployment/td-tailnet-discovery" not in scheduled
    assert "Deployment/td-tailnet-discovery" in release4.objects()
    assert release4.kubectl("get", "cronjob", "-A", "-o", "name").stdout == ""


def test_what_the_notes_show_works_as_it_stands(release4: Release) -> None:
    notes = release4.install()
    (manifest,) = re.findall(r"<<EOF\n(.*?)^ *EOF$", notes, re.DOTALL | re.MULTILINE)

    applied = release4.kubectl("apply", "-f", "-", stdin=textwrap.dedent(manifest))
    explained = release4.kubectl("explain", "tailscaleendpoints.spec")

    assert (applied.returncode, applied.stderr) == (0, "")
    assert "tagSelectors" in explained.stdout
    assert f"chart {yaml.safe_load((CHART / 'Chart.yaml').read_text())['version']}" in notes


def test_the_test_pod_is_accepted(release4: Release) -> None:
    release4.install()

    with pytest.raises(HelmError):  # no kubelet runs it here
        release4.test()

    pods = release4.kubectl("get", "pods", "-n", release4.namespace, "-o", "name").stdout
    assert pods == "pod/td-tailnet-discovery-doctor\n"


def test_uninstalling_keeps_the_definition_and_the_resources(release: Release) -> None:
    release.install()
    release.kubectl("apply", "-f", "-", stdin=RESOURCE)
    manifest = release.run_helm("get", "manifest", "td")

    release.uninstall()

    left = release.kubectl("get", "-f", "-", "--ignore-not-found", "-o", "name", stdin=manifest)
    assert left.stdout == f"customresourcedefinition.apiextensions.k8s.io/{CRD_NAME}\n"
    assert "production-api" in release.kubectl("get", "tse", "-o", "name").stdout


def test_the_same_release_takes_over_the_definition_it_left(release: Release) -> None:
    release.install()
    release.uninstall()

    release.install()

    assert f"CustomResourceDefinition/{CRD_NAME}" in release.objects()


def test_the_definition_goes_too_where_that_is_asked_for(release4: Release) -> None:
    release4.install("--set", "crds.keep=false")

    release4.uninstall()

    going = "jsonpath={.metadata.deletionTimestamp}"
    left = release4.kubectl("get", "crd", CRD_NAME, "-o", going)
    assert left.stdout or "NotFound" in left.stderr


def test_a_definition_that_somebody_else_applied_is_left_alone(release: Release) -> None:
    release.kubectl("apply", "--server-side", "-f", CRD)
    meta = "jsonpath={.metadata.uid} {.metadata.generation} {.metadata.labels}"
    before = release.kubectl("get", "crd", CRD_NAME, "-o", meta).stdout

    release.install("--set", "crds.enabled=false")
    release.uninstall()

    assert before.endswith(" 1 ")
    assert release.kubectl("get", "crd", CRD_NAME, "-o", meta).stdout == before


def test_a_foreign_definition_is_refused_by_name_and_taken_over_on_request(
    release: Release,
) -> None:
    release.kubectl("apply", "--server-side", "-f", CRD)

    with pytest.raises(HelmError) as raised:
        release.install()
    release.install("--take-ownership")

    said = f'CustomResourceDefinition "{CRD_NAME}" in namespace "" exists and cannot be imported'
    assert said in str(raised.value)
    assert f"CustomResourceDefinition/{CRD_NAME}" in release.objects()


def test_one_namespace_can_be_watched_without_a_cluster_role(release4: Release) -> None:
    watched = f"{release4.namespace}-watched"
    release4.kubectl("create", "namespace", watched)

    release4.install("--set", f"watchNamespace={watched}")

    roles = [name for name in release4.objects() if name.startswith(("Role/", "ClusterRole"))]
    there = release4.kubectl("get", "roles", "-n", watched, "-o", "name").stdout
    assert sorted(roles) == ["Role/td-tailnet-discovery", "Role/td-tailnet-discovery-lease"]
    assert there == "role.rbac.authorization.k8s.io/td-tailnet-discovery\n"


async def test_the_account_may_do_what_the_program_needs_and_no_more(
    release4: Release, server: OwnControlPlane
) -> None:
    release4.install()
    kubeconfig = server.service_account(release4.namespace, "td-tailnet-discovery")

    async with connect(kubeconfig) as client:
        lacking = await missing(client, PERMISSIONS, lease="tailnet-discovery")

    assert lacking == ()
    for verb, what in (("get", "secrets"), ("create", "endpoints"), ("list", "pods")):
        asked = release4.kubectl("auth", "can-i", verb, what, kubeconfig=kubeconfig)
        assert asked.stdout == "no\n"


def test_a_scheduled_run_of_the_chart_makes_slices_of_devices(
    release4: Release, server: OwnControlPlane, tmp_path: Path
) -> None:
    inventory = ROOT / "fixtures" / "tailnet" / "devices.json"
    release4.install(case="schedule")
    release4.kubectl("apply", "-f", "-", stdin=RESOURCE)
    objects = release4.objects()
    (tmp_path / "config.yaml").write_text(
        objects["ConfigMap/td-tailnet-discovery"]["data"]["config.yaml"]
    )
    job = objects["CronJob/td-tailnet-discovery"]["spec"]["jobTemplate"]
    arguments = " ".join(job["spec"]["template"]["spec"]["containers"][0]["args"])
    arguments = arguments.replace("/etc/tailnet-discovery", str(tmp_path))
    arguments = arguments.replace("/etc/inventory/devices.json", str(inventory))
    account = server.service_account(release4.namespace, "td-tailnet-discovery")

    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "discovery", *arguments.split(), "--kubeconfig", account],
        env={
            **os.environ,
            "TAILNET_DISCOVERY_POD_NAMESPACE": release4.namespace,
            "TAILNET_DISCOVERY_RECORDER_DIRECTORY": str(tmp_path / "recorder"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert run.returncode == 0, run.stderr
    slices = release4.kubectl("get", "endpointslices", "-n", "default", "-o", "yaml").stdout
    assert {e["hostname"] for s in yaml.safe_load(slices)["items"] for e in s["endpoints"]} >= {
        "api-1"
    }
