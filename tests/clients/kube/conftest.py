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
from tests.clients.conftest import Clock, ScriptedServer
from tests.controlplane.access import ControlPlane
from tests.controlplane.proxy import FaultProxy

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
