"""The control plane that other tests stand on: identities, restarts, controllers, one per run."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import httpx
import pytest

from tests.controlplane import programs
from tests.controlplane.access import ControlPlane
from tests.controlplane.configmaps import MAPS, create, names
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.processes import NotStartedError, Process
from tests.controlplane.server import OwnControlPlane


def eventually(true: Callable[[], bool], within: float = 20) -> bool:
    """Tell whether it comes true; neither a process nor an API server tells us when."""
    end = time.monotonic() + within
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_it_is_the_version_that_is_pinned(control_plane: ControlPlane) -> None:
    version = control_plane.api.get("/version").json()
    if "KUBEBUILDER_ASSETS" not in os.environ:
        assert version["gitVersion"] == f"v{programs.pinned_version()}"
    assert version["gitVersion"].startswith(f"v1.{version['minor']}.")


def test_kubectl_is_the_administrator(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "*", "*", "--all-namespaces").stdout == "yes\n"


def test_nobody_may_do_nothing(control_plane: ControlPlane, kubectl: Kubectl) -> None:
    refused = kubectl("get", "tse", kubeconfig=control_plane.kubeconfig("nobody"))
    assert refused.returncode == 1
    assert 'User "nobody" cannot list resource "tailscaleendpoints"' in refused.stderr


def test_a_service_account_may_do_what_its_role_says(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    robot = control_plane.service_account(namespace, "robot")
    assert kubectl("get", "tse", kubeconfig=robot).returncode == 1
    kubectl(
        "create", "role", "reader", "--verb=list", "--resource=tailscaleendpoints", "-n", namespace
    )
    bound = f"--serviceaccount={namespace}:robot"
    kubectl("create", "rolebinding", "reader", "--role=reader", bound, "-n", namespace)
    assert eventually(lambda: kubectl("get", "tse", kubeconfig=robot).returncode == 0)
    assert kubectl("get", "services", kubeconfig=robot).returncode == 1


def test_to_block_the_deletion_of_an_owner_takes_a_right(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    robot = control_plane.service_account(namespace, "robot")
    kubectl("create", "role", "maker", "--verb=create", "--resource=configmaps", "-n", namespace)
    bound = f"--serviceaccount={namespace}:robot"
    kubectl("create", "rolebinding", "maker", "--role=maker", bound, "-n", namespace)
    owner = create(control_plane.api, namespace, "owner").json()["metadata"]["uid"]
    owned = dedent(f"""\
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: owned
          ownerReferences:
          - {{apiVersion: v1, kind: ConfigMap, name: owner, uid: {owner}, blockOwnerDeletion: true}}
        """)
    refused: list[str] = []

    def is_refused() -> bool:
        refused.append(kubectl("create", "-f", "-", stdin=owned, kubeconfig=robot).stderr)
        return "cannot set blockOwnerDeletion" in refused[-1]

    assert eventually(is_refused), refused[-1]


def test_what_is_stored_outlives_stop_and_kill(own_control_plane: OwnControlPlane) -> None:
    url = own_control_plane.url
    create(own_control_plane.api, "default", "a").raise_for_status()
    for end in (own_control_plane.stop, own_control_plane.kill):
        end()
        with pytest.raises(httpx.ConnectError):
            own_control_plane.api.get("/version")
        own_control_plane.start()
    assert own_control_plane.url == url
    assert "a" in names(own_control_plane.api, "default")


def test_controllers_collect_garbage_and_end_namespaces(
    control_plane: ControlPlane, controller_manager: None, namespace: str
) -> None:
    api = control_plane.api
    owner = create(api, namespace, "owner").json()["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner}
    owned = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    api.post(MAPS.format(namespace), json=owned).raise_for_status()
    api.delete(f"{MAPS.format(namespace)}/owner").raise_for_status()
    assert eventually(lambda: "owned" not in names(api, namespace))
    api.delete(f"/api/v1/namespaces/{namespace}").raise_for_status()
    assert eventually(lambda: api.get(f"/api/v1/namespaces/{namespace}").status_code == 404)


def test_a_program_that_ends_before_it_is_ready_tells_why(tmp_path: Path) -> None:
    shell = Path("/bin/sh")
    process = Process(shell, ["-c", "echo no disk >&2"], tmp_path / "etcd.log", os.getpid())
    with pytest.raises(NotStartedError, match="no disk"):
        process.wait_until(lambda: False)


@pytest.mark.parametrize("victim", ["watched", "tether"])
def test_a_program_ends_with_the_process_it_is_tied_to_and_with_its_tether(
    tmp_path: Path, victim: str
) -> None:
    said = tmp_path / "pid"
    with subprocess.Popen(["/bin/sleep", "60"]) as watched:
        script = f"echo $$ > {said}; exec sleep 60"
        tied = Process(Path("/bin/sh"), ["-c", script], tmp_path / "log", watched.pid)
        tied.wait_until(lambda: said.exists() and said.read_text().endswith("\n"))
        program = Path("/proc", said.read_text().strip())
        assert program.exists()
        if victim == "watched":
            watched.kill()
        else:
            tied.kill()
        assert eventually(lambda: not program.exists())
        tied.kill()
        watched.kill()


TEST = """
import pathlib

def test_{name}(control_plane):
    assert control_plane.is_ready()
    pathlib.Path("{folder}", "{name}").write_text(control_plane.url)
"""


def test_the_workers_of_a_run_share_one_that_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(TEST.format(name=name, folder=tmp_path))
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    subprocess.run(  # noqa: S603
        [*command, "-n", "2", "--dist", "loadfile", str(tmp_path)], check=True, capture_output=True
    )
    first, second = [(tmp_path / name).read_text() for name in ("a", "b")]
    assert first == second
    assert eventually(lambda: not answers(first))


def answers(url: str) -> bool:
    address = httpx.URL(url)
    with socket.socket() as client:
        return client.connect_ex((address.host, address.port)) == 0
