"""Names of endpoints: DNS labels, unique in the resource, the same on every pass."""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

MAX_LABEL = 63
_SUFFIX_DIGITS = 8


def label_of(name: str, node_id: str) -> str:
    """Return the DNS-1123 label for a device: the first label of its name, made to fit.

    A device without a usable name is called after its node ID.
    """
    label = re.sub(r"[^a-z0-9-]", "-", name.partition(".")[0].lower())[:MAX_LABEL].strip("-")
    return label or f"node-{_digits(node_id)}"


def assign(
    devices: Iterable[tuple[str, str]], reserved: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Give each device, a pair of node ID and wanted label, a name of its own.

    ``reserved`` maps names that are taken to their holder. Among devices the lowest node ID keeps
    the plain label; every other one gets a suffix from its own node ID, so that its name does not
    depend on who else is there. Only where somebody is called just that does it get a third name.
    Returns the names by node ID, and a sentence for each collision.
    """
    holders = dict(reserved)
    names: dict[str, str] = {}
    collisions: list[str] = []
    for node_id, wanted in sorted(devices):
        name = wanted
        suffix = node_id
        while name in holders:
            suffix = _digits(suffix)
            name = f"{wanted[: MAX_LABEL - _SUFFIX_DIGITS - 1].rstrip('-')}-{suffix}"
        if name != wanted:
            collisions.append(
                f"name {wanted!r} is taken by {holders[wanted]}: device {node_id} is {name!r}"
            )
        holders[name] = f"device {node_id}"
        names[node_id] = name
    return names, tuple(collisions)


def _digits(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_SUFFIX_DIGITS]
