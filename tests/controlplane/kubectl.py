"""kubectl of the newest supported minor, as a person runs it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs kubectl with a kubeconfig: ``kubectl("get", "tse", "-n", namespace)``."""

    program: Path
    kubeconfig: Path
    cache: Path

    def __call__(
        self, *arguments: str | Path, kubeconfig: Path | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Return what it printed and its exit code, whatever that is; it blocks."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.cache),
            "KUBECACHEDIR": str(self.cache),
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
        }
        return subprocess.run(  # noqa: S603
            [self.program, *arguments],
            env=env,
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
