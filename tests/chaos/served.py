"""What a control plane really served, as a reader that trusts nothing understands it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

from tests.chaos.world import DOMAIN, Selector, selects

NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Look:
    """How a machine looks in an answer."""

    tags: frozenset[str]
    addresses: frozenset[str]
    name: str
    is_eligible: bool

    def is_wanted(self, selector: Selector) -> bool:
        return self.is_eligible and selects(selector, self.tags)


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete list of the contract's shape.

    ``unknown`` are nodes whose entry could not be read; ``nameless`` counts those of which not
    even the node ID could.
    """

    shown: Mapping[str, Look] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    nameless: int = 0

    def owner_of(self, address: str) -> str | None:
        """The node that the list gives an address to."""
        return next((n for n, look in self.shown.items() if address in look.addresses), None)

    def is_verified(self, tagged: Collection[str]) -> bool:
        """Whether the list may be acted on; ``tagged`` are the nodes that were tagged before."""
        if not self.shown:
            return False
        ours = sum(look.name.endswith(f".{DOMAIN}") for look in self.shown.values())
        bare = sum(node in self.shown and not self.shown[node].tags for node in tagged)
        return ours * 2 > len(self.shown) and bare * 2 <= len(tagged)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question for one machine: ``look`` None says that there is none.

    ``node`` is who answered: it may have been asked for by its older identity.
    """

    look: Look | None
    node: str = ""

    def denies(self, selector: Selector) -> bool:
        """Whether it says that the machine is no endpoint."""
        return self.look is None or not self.look.is_wanted(selector)


def read_listing(status: int, body: bytes) -> Listing | None:
    """Read an answer to the list; None where it is not what the contract says."""
    document = _json(body)
    if status != 200 or not isinstance(document, dict):
        return None
    entries = document.get("devices")
    if not isinstance(entries, list):
        return None
    shown: dict[str, Look] = {}
    unknown: set[str] = set()
    nameless = 0
    for entry in entries:
        node = _node(entry)
        look = None if node is None else _look(entry)
        if node is None:
            nameless += 1
        elif look is None or node in shown:
            unknown.add(node)
        else:
            shown[node] = look
    return Listing(shown, frozenset(unknown), nameless)


def read_answer(status: int, body: bytes) -> Answer | None:
    """Read an answer to a question for one machine; None where it says nothing."""
    document = _json(body)
    if not isinstance(document, dict):
        return None
    if status == NOT_FOUND and isinstance(document.get("message"), str):
        return Answer(None)
    node = _node(document)
    look = None if status != 200 or node is None else _look(document)
    return None if look is None or node is None else Answer(look, node)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _node(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return None
    node = entry.get("nodeId") or entry.get("id")
    return node if isinstance(node, str) and node else None


def _look(entry: dict[str, Any]) -> Look | None:
    addresses, tags = entry.get("addresses"), entry.get("tags") or []
    if not isinstance(addresses, list) or not isinstance(tags, list) or not addresses:
        return None
    try:
        for address in addresses:
            ip_address(address)
    except ValueError:
        return None
    expires = datetime.fromisoformat(entry["expires"]) if entry.get("expires") else None
    is_expired = expires is not None and expires < datetime(2026, 1, 1, tzinfo=UTC)
    return Look(
        frozenset(tags),
        frozenset(addresses),
        entry.get("name", ""),
        bool(tags) and entry.get("authorized") is not False and not is_expired,
    )
