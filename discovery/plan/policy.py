"""What a tailnet's configuration allows, as a value: the plan never sees settings."""

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from discovery.v1alpha1 import RemovalPolicy, RemovalSpec
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
class RemovalRules:
    """How removals are guarded.

    ``max_percent`` of a resource's endpoints may go without waiting; a larger removal waits for
    ``confirmations`` lists. A loss of more than ``tailnet_max_percent`` of a tailnet's tagged
    devices, and of at least ``tailnet_min_devices``, needs the word of every missing one.
    """

    policy: RemovalPolicy = RemovalPolicy.CONFIRM
    max_percent: int = 30
    confirmations: int = 3
    tailnet_max_percent: int = 50
    tailnet_min_devices: int = 5

    def of_resource(self, spec: RemovalSpec | None) -> "RemovalRules":
        """Return the rules of a resource: what it says wins over the tailnet's."""
        if spec is None:
            return self
        said = {
            name: value
            for name in ("policy", "max_percent", "confirmations")
            if (value := getattr(spec, name)) is not None
        }
        return replace(self, **said)


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
    removal: RemovalRules = RemovalRules()

    @property
    def digest(self) -> str:
        """A text that changes with what decides, beside a spec and a list, who is an endpoint."""
        grants = None if self.grants is None else [[g.namespaces, g.tags] for g in self.grants]
        decides = [sorted(self.grammar.declared_keys), grants, sorted(map(str, self.denied))]
        return sha256(json.dumps(decides).encode()).hexdigest()[:12]

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
