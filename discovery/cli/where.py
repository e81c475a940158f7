"""Which cluster a command speaks to, and which of its namespaces."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Where:
    """The options that kubectl has for it. Everything left out: the kubeconfig's own choice."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False

    @property
    def is_named(self) -> bool:
        """Whether somebody asked for a cluster, so that failing to reach one is an error."""
        return self != Where()

    def namespace_like_kubectl(self, of_context: str) -> str | None:
        """Return the namespace asked for, else the context's own; None for every one."""
        return None if self.all_namespaces else self.namespace or of_context
