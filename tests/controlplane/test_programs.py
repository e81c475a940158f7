"""Where the programs are looked for, and what is said when they are not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.programs import client_program, control_plane_program, pinned_version

TESTS = """
def test_a(control_plane): pass
def test_b(namespace): pass
def test_c(): pass
"""


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.touch(mode=0o755)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without any program in it, and neither is there one elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def run_tests(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(folder)]
    return subprocess.run(  # noqa: S603
        [*command, *options, str(folder)],
        env=dict(os.environ),
        text=True,
        capture_output=True,
        check=False,
    )


def test_assets_come_before_path_and_path_before_the_cache(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = program(bare / "tailnet-discovery" / "control-plane" / pinned_version(), "etcd")
    assert control_plane_program("etcd") == built
    on_path = program(bare / "bin", "etcd")
    monkeypatch.setenv("PATH", str(bare / "bin"))
    assert control_plane_program("etcd") == on_path
    asset = program(bare / "assets", "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(bare / "assets"))
    assert control_plane_program("etcd") == asset


def test_each_helm_has_its_kubectl(bare: Path) -> None:
    for helm in (3, 4):
        unpacked = program(bare / "tailnet-discovery" / "helm" / str(helm), "kubectl")
        assert client_program("kubectl", helm) == unpacked


def test_without_programs_tests_are_skipped_with_one_line_that_says_what_to_do(bare: Path) -> None:
    done = run_tests(bare)
    assert done.returncode == 0
    assert "1 passed, 2 skipped" in done.stdout
    (said,) = [line for line in done.stdout.splitlines() if "make control-plane" in line]
    assert said.startswith("NOT TESTED, 2 tests: no Kubernetes to test against: etcd is not here;")


def test_without_programs_tests_fail_in_ci(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    done = run_tests(bare)
    assert done.returncode == 1
    assert "1 passed, 2 errors" in done.stdout
    assert "run make control-plane" in done.stdout


def test_tests_that_ask_for_an_api_server_are_marked(bare: Path) -> None:
    done = run_tests(bare, "-m", "not cluster")
    assert "1 passed, 2 deselected" in done.stdout
