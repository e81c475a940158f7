"""A real control plane for every test that asks for one; how it runs is in tests/controlplane."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane import programs
from tests.controlplane.access import ControlPlane
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.proxy import FaultProxy
from tests.controlplane.run import (
    Run,
    shared_control_plane,
    shared_controller_manager,
    this_run,
)
from tests.controlplane.server import OwnControlPlane
from tests.security.objects import note_objects
from tests.security.plugin import SecretsPlugin

ENDPOINTS = "/apis/gateway.tailscale.com/v1alpha1/namespaces/{}/tailscaleendpoints"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
SERVICES = "/api/v1/namespaces/{}/services"
API_SERVERS = {"control_plane", "own_control_plane"}


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return this_run(tmp_path_factory)


@pytest.fixture(scope="session")
def control_plane(whole_run: Run) -> Iterator[ControlPlane]:
    """The one API server of the whole run, with the CRD: to be left as it was found."""
    server = shared_control_plane(whole_run)
    yield server
    server.close()


@pytest.fixture
def own_control_plane(tmp_path: Path) -> Iterator[OwnControlPlane]:
    """An API server with the CRD that the test may stop, kill and start again; 3 s to start."""
    server = OwnControlPlane(tmp_path / "control-plane", os.getpid())
    server.start()
    server.install_crd()
    yield server
    note_objects(server.api)
    server.kill()


@pytest.fixture
def controller_manager(whole_run: Run, control_plane: ControlPlane) -> None:
    """Garbage collection and the end of namespaces in the API server of the run."""
    shared_controller_manager(whole_run, control_plane)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own, in which nothing that a controller acts on is left behind."""
    name = f"test-{secrets.token_hex(4)}"
    body = {"metadata": {"name": name}}
    control_plane.api.post("/api/v1/namespaces", json=body).raise_for_status()
    yield name
    note_objects(control_plane.api, name)
    for path in (ENDPOINTS, SLICES, SERVICES):
        control_plane.api.delete(path.format(name))
    control_plane.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def fault_proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    """A proxy in front of the API server of the run, in which nothing goes wrong yet."""
    with FaultProxy(control_plane) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl as the administrator of the API server of the run."""
    cache = tmp_path_factory.mktemp("kubectl")
    return Kubectl(programs.client_program("kubectl"), control_plane.kubeconfig(), cache)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: runs against an API server (set by fixtures)")
    config.pluginmanager.register(SecretsPlugin(config), "secrets")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that asks for an API server, directly or not: ``pytest -m cluster``."""
    for item in items:
        if isinstance(item, pytest.Function) and API_SERVERS & set(item.fixturenames):
            item.add_marker("cluster")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that tests were skipped for want of a cluster, and how to have one."""
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    reasons = [reason for *_, reason in skipped if programs.MISSING in reason]
    if reasons:
        why = "; ".join(sorted({reason.removeprefix("Skipped: ") for reason in reasons}))
        line = f"NOT TESTED, {len(reasons)} tests: {why}"
        terminalreporter.write_line(line, red=True, bold=True)
