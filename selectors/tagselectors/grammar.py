"""How a tag reads as a key and a value: the only code that looks inside a tag.

Tailscale allows ``tag:``, a letter, then letters, digits and dashes (``tailcfg.CheckTag``), and
nothing that sets a key apart from its value. So ``tag:env-production`` is the key ``env`` with the
value ``production`` by convention only, ``tag:gpu`` is the key ``gpu`` with the value ``""`` (the
bare tag), and ``tag:service-type-web`` can be read as ``service`` or as ``service-type``. Other
control planes allow ``:`` and ``=``, which separate as a dash does. Everything is case-sensitive.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .messages import KEY_RULE

PREFIX = "tag:"
MAX_LENGTH = 253
KEY_PATTERN = "^[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?$"
VALUE_PATTERN = "^[A-Za-z0-9._-]*$"

_KEY = re.compile(KEY_PATTERN.removesuffix("$"))
_VALUE = re.compile(VALUE_PATTERN.removesuffix("$"))


def is_key(text: str) -> bool:
    """Return whether a selector may ask for this key."""
    return len(text) <= MAX_LENGTH and _KEY.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """Return whether a selector may list this value; ``""`` is the value of a bare tag."""
    return len(text) <= MAX_LENGTH and _VALUE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Reading:
    """The likeliest meaning of one tag.

    ``declared`` says that a declared key decided. ``ambiguous`` says that none did, and that the
    tag can be split in more than one place: declaring a key would settle it.
    """

    tag: str
    key: str
    value: str
    declared: bool
    ambiguous: bool


@dataclass(frozen=True, slots=True, init=False)
class TagGrammar:
    """The rules for reading tags; ``declared_keys`` settle what a dash leaves open.

    The longest declared key wins: with ``service-type`` declared, ``service`` does not own
    ``tag:service-type-web``. A key that is longer than every declared one owns its tags as ever.
    Raises ValueError for a declared key that no selector could ask for.
    """

    declared_keys: frozenset[str]

    def __init__(self, declared_keys: Iterable[str] = ()) -> None:
        keys = frozenset(declared_keys)
        for key in sorted(keys):
            if not is_key(key):
                raise ValueError(f"tag key {key!r}: {KEY_RULE}")
        object.__setattr__(self, "declared_keys", keys)

    def readings(self, tag: str) -> list[tuple[str, str]]:
        """Return every (key, value) that a selector may find in ``tag``, the shortest key first.

        A key owns the tag when the tag is the key alone or the key and a separator, and no longer
        declared key owns it too. Text without the prefix ``tag:`` has no reading.
        """
        if not tag.startswith(PREFIX):
            return []
        body = tag[len(PREFIX) :]
        dashed = body.replace(":", "-").replace("=", "-")
        found = []
        dash = dashed.find("-")
        while dash >= 0:
            found.append((body[:dash], body[dash + 1 :]))
            dash = dashed.find("-", dash + 1)
        found.append((body, ""))
        if self.declared_keys:
            for position in range(len(found) - 1, 0, -1):
                if found[position][0] in self.declared_keys:
                    return found[position:]
        return found

    def values_of(self, key: str, tags: Collection[str]) -> frozenset[str]:
        """Return the values that ``tags`` give to ``key``: none without it, several if repeated."""
        return frozenset(
            value for tag in tags for owner, value in self.readings(tag) if owner == key
        )

    def reading(self, tag: str) -> Reading | None:
        """Return how ``tag`` reads as one key and value, or None where it holds no valid key.

        Without a declared key the first separator that leaves a valid key and value splits.
        """
        readings = [(key, value) for key, value in self.readings(tag) if is_key(key)]
        if not readings:
            return None
        key, value = readings[0]
        if key in self.declared_keys:
            return Reading(tag, key, value, declared=True, ambiguous=False)
        selectable = [(key, value) for key, value in readings if is_value(value)] or readings
        key, value = selectable[0]
        splits = [longer for longer, _ in selectable if len(PREFIX + longer) < len(tag)]
        return Reading(tag, key, value, declared=False, ambiguous=len(splits) > 1)
