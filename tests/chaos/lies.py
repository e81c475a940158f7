"""Small lies of a device list, each of a random part of it: one answer does not show them."""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from tests.chaos.world import LONG_AGO

Entry = dict[str, Any]
Change = Callable[[Entry], Entry | None]


def _tagless(entry: Entry) -> Entry:
    return entry | {"tags": []}


def _other_tags(entry: Entry) -> Entry:
    return entry | {"tags": ["tag:env-other"]}


def _expired(entry: Entry) -> Entry:
    return entry | {"expires": LONG_AGO}


def _refused(entry: Entry) -> Entry:
    return entry | {"authorized": False}


def _unreadable(entry: Entry) -> Entry:
    return entry | {"addresses": "none"}


def _nameless(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name not in {"id", "nodeId"}}


CHANGES: Final[Mapping[str, Change]] = {
    "some missing": lambda _entry: None,
    "some tagless": _tagless,
    "some with other tags": _other_tags,
    "some expired": _expired,
    "some unauthorized": _refused,
    "some unreadable": _unreadable,
    "some nameless": _nameless,
}


def lie(kind: str, random: Random) -> Callable[[bytes], bytes]:
    """Return what such a lie makes of a list; it stays the same lie for the same machines."""
    part, seed = random.choice([0.03, 0.1, 0.3, 0.7]), random.getrandbits(32)
    change = CHANGES[kind]

    def told(body: bytes) -> bytes:
        entries = json.loads(body)["devices"]
        chosen = Random(seed)  # noqa: S311 - no secret
        hit = {id(one) for one in entries if chosen.random() < part}
        hit |= {id(one) for one in entries[:1] if not hit}
        changed = [change(one) if id(one) in hit else one for one in entries]
        return json.dumps({"devices": [one for one in changed if one is not None]}).encode()

    return told
