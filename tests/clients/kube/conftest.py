"""Clients of the real API server, of the same through the fault proxy, and of a scripted one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.retrying import Patience
from discovery.settings.errors import ConfigError
from tests.clients.conftest import Clock, ScriptedServer
from tests.controlplane.access import ControlPlane
from tests.controlplane.proxy import FaultProxy

PORTLESS = "https://kubernetes.example.com"
TOKEN = "a-token-of-no-known-shape"


def write_kubeconfig(path: Path, server: str, user: dict[str, Any]) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": {"server": server}}],
        "users": [{"name": "tests", "user": user}],
        "contexts": [
            {
                "name": "tests",
                "context": {"cluster": "tests", "user": "tests", "namespace": "shop"},
            }
        ],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def service(name: str, port: int = 80, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, **metadata},
        "spec": {"ports": [{"name": "http", "port": port}]},
    }


async def failure(kubeconfig: Path | None = None, context: str | None = None) -> str:
    """Return the one line that says why there is no connection."""
    with pytest.raises(ConfigError) as caught:
        async with connect(kubeconfig, context):
            pass
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


async def asked_with(server: ScriptedServer, kubeconfig: Path) -> str | None:
    """Return the Authorization header of a request."""
    server.say({})
    async with connect(kubeconfig) as client:
        await client.request("GET", "/version")
    return server.requests[-1].headers.get("authorization")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a kubeconfig nor a pod, whoever runs the tests."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def pod(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: None
) -> Path:
    """Be a pod of the real cluster; return the folder of its service account."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(control_plane.ca.read_bytes())
    (folder / "token").write_text("token-of-admin\n")
    (folder / "namespace").write_text("shop")
    host, _, port = control_plane.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    return folder


@pytest.fixture
async def cluster(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    async with connect(control_plane.kubeconfig()) as client:
        yield client


@pytest.fixture
async def through(fault_proxy: FaultProxy) -> AsyncIterator[KubeClient]:
    """The real API server through the fault proxy; reads are repeated for 5 s."""
    patience = Patience(timedelta(seconds=5))
    async with connect(fault_proxy.kubeconfig(), patience=patience) as client:
        yield client


@pytest.fixture
async def scripted(
    server: ScriptedServer, tmp_path: Path, clock: Clock
) -> AsyncIterator[KubeClient]:
    """A client of the scripted server, whose waits take no time."""
    kubeconfig = write_kubeconfig(tmp_path / "scripted", server.url, {"token": TOKEN})
    async with connect(kubeconfig, patience=clock.patience()) as client:
        yield client
