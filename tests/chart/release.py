"""A release of the chart in a cluster, and what it has made there."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.chart.helm import CHART, Document, Helm
from tests.controlplane.kubectl import Kubectl


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the chart in a namespace of its own."""

    helm: Helm
    kubectl: Kubectl
    namespace: str

    def install(self, *options: str, case: str = "default") -> str:
        file = CHART / "ci" / f"{case}-values.yaml"
        return self.run_helm("install", "td", CHART, "--create-namespace", "-f", file, *options)

    def upgrade(self, *options: str) -> str:
        return self.run_helm("upgrade", "td", CHART, "--reuse-values", *options)

    def uninstall(self) -> str:
        return self.run_helm("uninstall", "td")

    def test(self) -> str:
        return self.run_helm("test", "td", "--timeout", "1s")

    def run_helm(self, *arguments: str | Path) -> str:
        return self.helm(*arguments, "--namespace", self.namespace)

    def objects(self) -> dict[str, Document]:
        """Return what is there of what the release's manifest names, by KIND/NAME."""
        manifest = self.run_helm("get", "manifest", "td")
        got = self.kubectl("get", "-f", "-", "--ignore-not-found", "-o", "yaml", stdin=manifest)
        assert got.returncode == 0, got.stderr
        found = yaml.safe_load(got.stdout)
        return {f"{item['kind']}/{item['metadata']['name']}": item for item in found["items"]}

    def versions(self) -> dict[str, str]:
        return {name: o["metadata"]["resourceVersion"] for name, o in self.objects().items()}
