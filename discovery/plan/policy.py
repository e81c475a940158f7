"""What a tailnet's configuration allows, as a value: the plan never sees settings."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from tagselectors import TagGrammar


@dataclass(frozen=True, slots=True)
class GrantRule:
    """One line of ``grants``: these namespaces may use devices that carry one of these tags.

    No namespaces means every namespace, no tags means every device. A trailing ``*`` matches any
    ending.
    """

    namespaces: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def covers(self, namespace: str) -> bool:
        """Tell whether the rule speaks of this namespace."""
        return not self.namespaces or any(_matches(p, namespace) for p in self.namespaces)

    def allows(self, tags: tuple[str, ...]) -> bool:
        """Tell whether a device with these tags is granted by the rule."""
        return not self.tags or any(_matches(p, tag) for p in self.tags for tag in tags)


@dataclass(frozen=True, slots=True)
class TailnetPolicy:
    """How a tailnet is to be read: its domains, its tag grammar, and what it refuses.

    ``grants`` is None where every namespace may use every device; an empty tuple grants nothing.
    """

    tailnet: str
    domains: tuple[str, ...] = ()
    denied: tuple[IPv4Network | IPv6Network, ...] = ()
    grants: tuple[GrantRule, ...] | None = None
    grammar: TagGrammar = field(default_factory=TagGrammar)

    def admits(self, namespace: str) -> bool:
        """Tell whether resources of this namespace may use the tailnet at all."""
        return self.grants is None or any(grant.covers(namespace) for grant in self.grants)

    def grants_device(self, namespace: str, tags: tuple[str, ...]) -> bool:
        """Tell whether resources of this namespace may use a device with these tags."""
        return self.grants is None or any(
            grant.covers(namespace) and grant.allows(tags) for grant in self.grants
        )


def _matches(pattern: str, text: str) -> bool:
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern
