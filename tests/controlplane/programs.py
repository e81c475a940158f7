"""Where the programs of a control plane are, and kubectl and helm.

The first three are looked for where the environment variable KUBEBUILDER_ASSETS points to (as with
controller-runtime), on PATH, and where ``make control-plane`` puts them. kubectl and both Helms
come from ``make helm-binaries`` alone: the tests compare their output, so their versions matter.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")
MISSING = "no Kubernetes to test against:"
_HERE = Path(__file__).parent


def cache() -> Path:
    """Return the folder of built and unpacked programs, which all working trees share."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "tailnet-discovery"


def control_plane_program(name: str) -> Path:
    """Return the path of one of CONTROL_PLANE; without it, the test is skipped, or fails in CI."""
    built = cache() / "control-plane" / pinned_version()
    search = [os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", ""), str(built)]
    found = shutil.which(name, path=os.pathsep.join(filter(None, search)))
    return Path(found) if found else _missing(name, "make control-plane")


def client_program(name: str, helm: int = 4) -> Path:
    """Return the path of ``kubectl`` or ``helm`` of the layer with this major version of Helm."""
    path = cache() / "helm" / str(helm) / name
    return path if path.exists() else _missing(name, "make helm-binaries")


def pinned_version() -> str:
    """Return the version of Kubernetes that the tests run against unless told otherwise."""
    module = (_HERE / "binaries" / "go.mod").read_text()
    found = re.search(r"k8s\.io/kubernetes v([0-9.]+)$", module, re.MULTILINE)
    assert found
    return found[1]


def _missing(name: str, remedy: str) -> Path:
    reason = f"{MISSING} {name} is not here; run {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
