"""Helm as a person runs it, with folders of its own, and what it renders as plain documents."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "tailnet-discovery"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").iterdir())
RELEASE, NAMESPACE = "td", "apps"

Document = dict[str, Any]


class HelmError(Exception):
    """What Helm said on stderr when it refused."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One version of Helm: ``helm("lint", CHART)``; raises HelmError."""

    major: int
    program: Path
    home: Path
    kubeconfig: Path | None = None
    _rendered: dict[str, list[Document]] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path) -> str:
        """Return what it printed on stdout."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "HELM_CACHE_HOME": str(self.home / "cache"),
            "HELM_CONFIG_HOME": str(self.home / "config"),
            "HELM_DATA_HOME": str(self.home / "data"),
            "KUBECONFIG": str(self.kubeconfig or self.home / "no-kubeconfig"),
        }
        done = subprocess.run(  # noqa: S603
            [self.program, *arguments],
            env=env,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise HelmError(done.stdout + done.stderr)
        return done.stdout

    def render(self, values: dict[str, Any], *options: str) -> list[Document]:
        """Return the documents that the chart comes to with these values, as a first install."""
        key = json.dumps([values, options])
        if key not in self._rendered:
            settings = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
            text = self("template", RELEASE, CHART, "--namespace", NAMESPACE, *settings, *options)
            self._rendered[key] = [doc for doc in yaml.safe_load_all(text) if doc]
        return self._rendered[key]


def case(name: str) -> dict[str, Any]:
    """Return the values of a file in the chart's ci folder."""
    values: dict[str, Any] = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())
    return values


def only(documents: list[Document], kind: str) -> Document:
    """Return the one document of this kind."""
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def pod(documents: list[Document], kind: str = "Deployment") -> Document:
    """Return the pod spec of the Deployment, the CronJob or the test Pod."""
    spec: Document = only(documents, kind)["spec"]
    if kind == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec if kind == "Pod" else spec["template"]["spec"]


def container(documents: list[Document], kind: str = "Deployment") -> Document:
    """Return the program's own container in that pod."""
    found: Document = pod(documents, kind)["containers"][0]
    return found
