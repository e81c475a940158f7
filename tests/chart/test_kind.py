"""What `make kind` installs, as far as it can be tried without a container engine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from discovery import __version__
from tests.chart.helm import CHART, Document, Helm, only, pod

ROOT = CHART.parents[1]
VALUES = CHART.parent / "kind-values.yaml"
PROGRAM = (sys.executable, "-m", "discovery")


@pytest.fixture(scope="module")
def documents(helm4: Helm) -> list[Document]:
    text = helm4("template", "td", CHART, "-f", VALUES)
    return [document for document in yaml.safe_load_all(text) if document]


@pytest.fixture
def simulator(documents: list[Document]) -> Iterator[str]:
    """The address of the simulator, started with the sidecar's own arguments but for the port."""
    (sidecar,) = pod(documents)["initContainers"]
    arguments = " ".join(sidecar["args"]).replace(":8089", ":0")
    arguments = arguments.replace("/etc/simulator/", str(ROOT / "fixtures/tailnet") + "/")
    with subprocess.Popen([*PROGRAM, *arguments.split()], stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()


def test_the_controller_can_read_the_simulated_tailnet(
    documents: list[Document], simulator: str, tmp_path: Path
) -> None:
    text: str = only(documents, "ConfigMap")["data"]["config.yaml"]
    text = text.replace("http://127.0.0.1:8089", simulator)
    config = tmp_path / "config.yaml"
    config.write_text(text.replace("/etc/tailnet-discovery/oauth", str(tmp_path / "oauth")))
    values = yaml.safe_load(VALUES.read_text())["oauth"]
    (tmp_path / "oauth").mkdir()
    (tmp_path / "oauth" / "client_id").write_text(values["clientId"])
    (tmp_path / "oauth" / "client_secret").write_text(values["clientSecret"])

    command = [*PROGRAM, "--config", str(config), "devices", "-l", "env=production", "-o", "name"]
    read = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603

    assert (read.returncode, read.stderr) == (0, "")
    assert "api-1" in read.stdout.split()


def test_the_simulator_is_of_the_image_that_is_loaded(documents: list[Document]) -> None:
    (sidecar,) = pod(documents)["initContainers"]

    assert sidecar["image"] == pod(documents)["containers"][0]["image"]
    assert sidecar["image"] == f"tailnet-discovery:{__version__}"


def test_the_test_pod_has_the_simulator_too(documents: list[Document]) -> None:
    assert pod(documents, "Pod")["initContainers"] == pod(documents)["initContainers"]


def test_what_is_installed_is_valid(documents: list[Document]) -> None:
    for document in documents:
        kubernetes_validate.validate(document, "1.32.0", strict=True)
