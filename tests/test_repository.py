"""Facts about the repository as a whole that no single part can keep."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_folder_selectors_never_hides_the_standard_library() -> None:
    assert not (ROOT / "selectors" / "__init__.py").exists()
    assert python("-c", "import asyncio, subprocess; asyncio.run(asyncio.sleep(0))").returncode == 0


def test_a_virtual_environment_can_be_made_in_the_root(tmp_path: Path) -> None:
    made = python("-m", "venv", "--without-pip", str(tmp_path / "venv"))

    assert (made.returncode, made.stderr) == (0, "")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_file_pins_by_hash_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    requirements = [line for line in text.splitlines() if re.match(r"\w", line)]

    assert requirements
    assert "://" not in text
    assert all("==" in line for line in requirements)
    assert text.count("--hash=sha256:") >= len(requirements)


def test_both_locks_agree_on_what_the_program_runs_with() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line}

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_ci_runs_what_the_readme_tells_a_user_to_run() -> None:
    commands = [
        line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make")
    ]

    assert commands == ["make check", "make test"]
    assert "$ make test " in (ROOT / "README.md").read_text()


def test_no_module_outgrows_one_reading() -> None:
    modules = [*ROOT.glob("discovery/**/*.py"), *ROOT.glob("selectors/**/*.py")]

    assert [str(m) for m in modules if len(m.read_text().splitlines()) > 300] == []
