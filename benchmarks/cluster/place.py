"""The API server and the simulated tailnet, and what the API server says it was asked for."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.cluster.workload import TAILNET, Fleet
from tests.controlplane.access import GROUP_PATH
from tests.controlplane.server import OwnControlPlane

_LISTS = {
    "endpointslices": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "services": "/api/v1/namespaces/{}/services",
    "tailscaleendpoints": GROUP_PATH + "/namespaces/{}/tailscaleendpoints",
}
_WRITES = frozenset({"APPLY", "DELETE", "PATCH", "POST", "PUT"})
_COUNTED = frozenset({*_LISTS, "events", "selfsubjectaccessreviews"})
_SAMPLE = re.compile(r"apiserver_request_total{(?P<labels>.*)} (?P<value>\S+)")


class WrongResultError(Exception):
    """What was measured did not do what it had to, so that its figures say nothing."""


class Call(NamedTuple):
    """A kind of request, with the verbs of the API server's own metrics."""

    verb: str
    resource: str

    @property
    def is_write(self) -> bool:
        """Whether it changes an object; a review is a question that is asked by a POST."""
        return self.verb in _WRITES and self.resource != "selfsubjectaccessreviews"

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


Calls = Counter[Call]


def spelled(calls: Calls) -> str:
    """Return the requests as a text: ``200 POST services, 1 LIST services``."""
    return ", ".join(f"{count} {call}" for call, count in sorted(calls.items())) or "none"


@dataclass
class Place:
    """A running API server, a simulated tailnet, and the environment that leads to the latter."""

    server: OwnControlPlane
    fleet: Fleet
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def prepare(self, namespace: str) -> Path:
        """Make a namespace with all resources and nothing else; return a kubeconfig for it."""
        self.server.api.post(
            "/api/v1/namespaces", json={"metadata": {"name": namespace}}
        ).raise_for_status()
        for name, spec in self.fleet.specs.items():
            body = {
                "apiVersion": "gateway.tailscale.com/v1alpha1",
                "kind": "TailscaleEndpoints",
                "metadata": {"name": name},
                "spec": spec,
            }
            path = _LISTS["tailscaleendpoints"].format(namespace)
            self.server.api.post(path, json=body).raise_for_status()
        return self.server.kubeconfig(namespace=namespace)

    def environ_of(self, namespace: str) -> dict[str, str]:
        """Return the environment of a program whose Lease is in this namespace."""
        return {**self.environ, "TAILNET_DISCOVERY_POD_NAMESPACE": namespace}

    def version(self) -> str:
        """Return the version of Kubernetes that runs."""
        return str(self.server.api.get("/version").raise_for_status().json()["gitVersion"])

    def calls(self) -> Calls:
        """Return the requests for our kinds of objects so far, without watches.

        The API server counts a watch when it ends. Leases are left out: one is renewed all the
        time, and the API server has one of its own.
        """
        found: Calls = Counter()
        text = self.server.api.get("/metrics").raise_for_status().text
        for sample in _SAMPLE.finditer(text):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
            if labels["resource"] in _COUNTED and labels["verb"] != "WATCH":
                kind = "/".join(filter(None, (labels["resource"], labels["subresource"])))
                found[Call(labels["verb"], kind)] += int(float(sample["value"]))
        return found

    def check(self, namespace: str) -> None:
        """Raise WrongResultError unless everything is there and every resource is ready."""
        held = {
            kind: self.server.api.get(path.format(namespace)).raise_for_status().json()["items"]
            for kind, path in _LISTS.items()
        }
        ready = sum(_is_ready(one.get("status") or {}) for one in held["tailscaleendpoints"])
        found: dict[str, list[str]] = {}
        for one in held["endpointslices"]:
            service = one["metadata"]["labels"]["kubernetes.io/service-name"]
            for endpoint in one["endpoints"]:
                found.setdefault(service, []).extend(endpoint["addresses"])
        right = {name: sorted(each) for name, each in found.items()} == self.fleet.addresses
        wanted = len(self.fleet.specs)
        services = len(held["services"])
        if not right or ready != wanted or services != wanted:
            slices = "hold" if right else "do not hold"
            raise WrongResultError(
                f"{namespace}: of {wanted} resources {ready} are ready, {services} have Services;"
                f" the slices {slices} what is selected"
            )


@contextmanager
def place(fleet: Fleet, folder: Path) -> Iterator[Place]:
    """Start an API server and a tailnet for as long as this is entered; some 5 s."""
    server = OwnControlPlane(folder / "control-plane", os.getpid())
    try:
        server.start()
        server.install_crd()
        with _tailnet(fleet, folder) as environ:
            yield Place(server, fleet, folder, environ)
    finally:
        server.kill()


@contextmanager
def _tailnet(fleet: Fleet, folder: Path) -> Iterator[dict[str, str]]:
    devices = folder / "devices.json"
    devices.write_text(json.dumps({"devices": fleet.devices}))
    command = [sys.executable, "-m", "discovery", "simulate", "--tailnet", TAILNET]
    running = subprocess.Popen(  # noqa: S603 (our own module)
        [*command, "--devices", devices], stdout=subprocess.PIPE, text=True
    )
    with running:
        try:
            said = json.loads(running.stdout.readline() if running.stdout else "")
            yield _clean() | {"TS_BASE_URL": said["url"], "TS_API_KEY": said["api_key"]}
        finally:
            running.terminate()


def _clean() -> dict[str, str]:
    """Return the environment without the settings and clusters of whoever measures."""
    ours = ("TAILNET_DISCOVERY_", "TS_", "KUBE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _is_ready(status: dict[str, object]) -> bool:
    conditions = status.get("conditions")
    if not isinstance(conditions, list):
        return False
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
