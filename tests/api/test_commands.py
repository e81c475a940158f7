"""The commands ``validate`` and ``crd``, as a script runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from discovery.__main__ import run
from discovery.crd import crd, crd_yaml
from discovery.crd_reference import reference

VALID = """\
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata: {name: api}
spec:
  tailnet: company.ts.net
  tagSelectors:
  - {key: env, operator: In, values: [production]}
"""
WARNING = (
    "spec.discovery.ports: is empty: discovered devices get port 80/HTTP unless they carry tags "
    "such as tag:port-8080"
)


def python(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
        cwd=Path(__file__).parents[2],
    ).stdout


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "api.yaml"
    file.write_text(VALID)
    return file


def test_a_valid_manifest_ends_with_0(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "-f", str(manifest)]) == 0
    assert capsys.readouterr().out == (
        f"{manifest}:4: warning: {WARNING} (document 1, default/api)\n1 resource valid, 1 warning\n"
    )


def test_an_invalid_document_ends_with_1(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest.write_text(VALID.replace("In,", "Is,") + "---\nkind: Service\n---\n" + VALID)
    assert run(["validate", "-f", str(manifest)]) == 1
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == (
        f"{manifest}:7: error: spec.tagSelectors[0].operator: operator must be one of In, NotIn, "
        "Exists, DoesNotExist (document 1, default/api)"
    )
    assert last == "1 resource valid, 1 error, 1 warning, 1 other document ignored"


def test_without_a_file_it_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate"]) == 2
    assert "Missing option '-f'" in capsys.readouterr().err


def test_a_path_that_can_not_be_read_ends_with_3(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = manifest.with_name("missing.yaml")
    assert run(["validate", "-f", str(missing), "-f", str(manifest)]) == 3
    assert capsys.readouterr().out.splitlines()[0] == (
        f"{missing}: error: can not be read: No such file or directory"
    )


def test_standard_input_is_a_dash() -> None:
    output = python("-m", "discovery", "validate", "-f", "-", stdin=VALID)
    assert output.startswith("standard input:4: warning: spec.discovery.ports: ")


def test_the_json_form(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "-f", str(manifest), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "problems": [
            {
                "severity": "warning",
                "file": str(manifest),
                "document": 1,
                "line": 4,
                "resource": "default/api",
                "field": "spec.discovery.ports",
                "message": WARNING.removeprefix("spec.discovery.ports: "),
            }
        ],
        "summary": {"valid": 1, "errors": 0, "warnings": 1, "ignored": 0},
    }


def test_the_help_shows_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "--help"]) == 0
    text = capsys.readouterr().out
    assert "tailnet-discovery validate -f my-resource.yaml" in text
    assert "3  a file or folder could not be read, or a folder holds no manifests" in text


def test_help_imports_no_model() -> None:
    code = (
        "import sys, discovery.cli.validate, discovery.cli.crd;"
        "print('pydantic' in sys.modules or 'discovery.v1alpha1' in sys.modules)"
    )
    assert python("-c", code) == "False\n"


def test_crd_prints_what_kubectl_applies(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["crd"]) == 0
    assert capsys.readouterr().out == crd_yaml()
    assert run(["crd", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == crd() == yaml.safe_load(crd_yaml())


def test_crd_prints_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["crd", "-o", "markdown"]) == 0
    assert capsys.readouterr().out == reference()
