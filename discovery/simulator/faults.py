"""Faults on demand: what a control plane does on a bad day, as rules that can be written down.

A rule is ``KIND[:ARGUMENT][@AREA][xN]``. Rules are asked in order, and the first one whose area
holds a request decides that request alone; ``xN`` lets it act on N requests and go. So
``503@devicesx2`` before ``half`` is two outages and then half a list for ever.

==================== ================================================================== ===========
KIND                 what it does                                                       AREA if none
==================== ================================================================== ===========
300 to 599           answers that status; ``429:30`` and ``503:Wed, ... GMT`` with      ``*``
                     ``Retry-After``
html[:STATUS]        answers an HTML page of a proxy, with status 502                   ``*``
redirect:URL         answers 307 to that URL                                            ``*``
body:TEXT            answers 200 with that text as JSON: ``body:null``, ``body:{}``     device-list
slow:SECONDS         answers after that time                                            ``*``
drop                 closes the connection instead of doing anything                    ``*``
lost                 does what is asked, then closes the connection instead of saying   ``*``
truncated            sends the first half of the body, then closes the connection       ``*``
oversized[:BYTES]    adds blanks to the body (16 MiB if not said)                       device-list
missing-scope        answers as if the credential lacked the scope (403 or 404)         ``*``
empty                the list is empty                                                  device-list
half                 the second half of the list is missing                             device-list
untagged             more than half of the tagged devices have no tags                  device-list
foreign[:SUFFIX]     every device's name has that suffix                                device-list
malformed[:WHAT]     the first device is broken: addresses (a text), nodeId (missing),  device-list
                     id (no identity at all), tags (null), entry (null)
==================== ================================================================== ===========

AREA is ``*`` (every call), ``devices`` (both of ``device-list`` and ``device``), ``services``
(both of ``service-list`` and ``service``, which includes hosts and approval), ``writes`` (every
change of a Service or a webhook), ``oauth`` or ``webhooks``.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Area(StrEnum):
    """The part of the API that a rule is for."""

    ALL = "*"
    DEVICES = "devices"
    DEVICE_LIST = "device-list"
    DEVICE = "device"
    SERVICES = "services"
    SERVICE_LIST = "service-list"
    SERVICE = "service"
    WRITES = "writes"
    OAUTH = "oauth"
    WEBHOOKS = "webhooks"


class Kind(StrEnum):
    """What a rule does; ``status`` is written as the number itself."""

    STATUS = "status"
    HTML = "html"
    REDIRECT = "redirect"
    BODY = "body"
    SLOW = "slow"
    DROP = "drop"
    LOST = "lost"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    MISSING_SCOPE = "missing-scope"
    EMPTY = "empty"
    HALF = "half"
    UNTAGGED = "untagged"
    FOREIGN = "foreign"
    MALFORMED = "malformed"


OF_LISTS: Final = frozenset({Kind.EMPTY, Kind.HALF, Kind.UNTAGGED, Kind.FOREIGN, Kind.MALFORMED})
_OF_DEVICES: Final = frozenset({Kind.UNTAGGED, Kind.FOREIGN, Kind.MALFORMED})
_DEVICE_AREAS: Final = frozenset({Area.DEVICES, Area.DEVICE_LIST, Area.DEVICE})
_ONE_BODY: Final = OF_LISTS | {Kind.BODY, Kind.OVERSIZED}

_DEFAULTS: Final = {
    Kind.HTML: "502",
    Kind.OVERSIZED: str(16 * 1024 * 1024),
    Kind.FOREIGN: "other-tailnet.ts.net",
    Kind.MALFORMED: "addresses",
}
_STATUS: Final = r"[345]\d\d"
_ARGUMENTS: Final = {
    Kind.STATUS: (
        rf"{_STATUS}(:(\d+|[A-Z][a-z]{{2}}, .+ GMT))?",
        "a status from 300 to 599, and seconds or an HTTP date",
    ),
    Kind.HTML: (rf"200|{_STATUS}", "200, or a status from 300 to 599"),
    Kind.REDIRECT: (r"\S+", "a URL"),
    Kind.BODY: (r"(?s:.+)", "the text of the body"),
    Kind.SLOW: (r"\d+(\.\d+)?", "seconds"),
    Kind.OVERSIZED: (r"[1-9]\d{0,9}", "a number of bytes"),
    Kind.FOREIGN: (r"[A-Za-z0-9.-]+", "a domain"),
    Kind.MALFORMED: (r"addresses|nodeId|id|tags|entry", "addresses, nodeId, id, tags or entry"),
}

_AREAS: Final = "|".join(re.escape(area) for area in Area)
_RULE: Final = re.compile(
    rf"(?s:(?P<kind>[a-z-]+|\d+)(:(?P<argument>.*?))?(@(?P<area>{_AREAS}))?(x(?P<times>[1-9]\d*))?)"
)
_WRONG_AREA: Final = re.compile(r"[^:]*@(?P<area>[^:@]*?)(x\d+)?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault: what it does, to which part of the API; ``text`` is the rule as it was written."""

    kind: Kind
    argument: str
    area: Area
    times: float
    text: str


class Faults:
    """The rules in force, in the order they are asked."""

    def __init__(self) -> None:
        self._rules: list[tuple[Rule, float]] = []

    def add(self, *texts: str) -> None:
        """Add rules after those in force; a ValueError says which one is wrong, and adds none."""
        self._rules += [(rule, rule.times) for rule in map(parse_rule, texts)]

    def replace(self, texts: Iterable[str]) -> None:
        """Put rules in place of those in force."""
        self._rules = [(rule, rule.times) for rule in map(parse_rule, texts)]

    def clear(self) -> None:
        """Let every answer be right again."""
        self._rules = []

    def take(self, areas: frozenset[Area]) -> Rule | None:
        """Return the rule that decides a request of these areas, and count it."""
        for position, (rule, left) in enumerate(self._rules):
            if rule.area in areas:
                remaining = [(rule, left - 1)] if left > 1 else []
                self._rules[position : position + 1] = remaining
                return rule
        return None

    def __iter__(self) -> Iterator[tuple[str, int | None]]:
        """Yield each rule with the requests it is still for; None means without end."""
        for rule, left in self._rules:
            yield rule.text, None if math.isinf(left) else int(left)


def parse_rule(text: str) -> Rule:
    """Read a rule; a ValueError says in one line what is wrong with it."""
    match = _RULE.fullmatch(text)
    if match is None:
        wrong = _WRONG_AREA.fullmatch(text)
        if wrong is not None:
            raise ValueError(f'no area "{wrong["area"]}": use one of {", ".join(Area)}')
        raise ValueError(f'"{text}" is not KIND[:ARGUMENT][@AREA][xN]')
    kind, argument = _kind(match["kind"], match["argument"])
    area = Area(match["area"] or (Area.DEVICE_LIST if kind in _ONE_BODY else Area.ALL))
    if kind in _OF_DEVICES and area not in _DEVICE_AREAS:
        raise ValueError(
            f"{kind} is for devices: use @devices, @device-list or @device, not @{area}"
        )
    times = float(match["times"] or math.inf)
    return Rule(kind, argument, area, times, text)


def _kind(word: str, argument: str | None) -> tuple[Kind, str]:
    if word.isdigit():
        kind, given = Kind.STATUS, word if argument is None else f"{word}:{argument}"
    else:
        if word == Kind.STATUS or word not in set(Kind):
            names = ", ".join(kind for kind in Kind if kind is not Kind.STATUS)
            raise ValueError(f'no fault "{word}": use a status or one of {names}')
        kind = Kind(word)
        given = _DEFAULTS.get(kind, "") if argument is None else argument
    pattern, form = _ARGUMENTS.get(kind, ("", "nothing"))
    if re.fullmatch(pattern, given) is None:
        raise ValueError(f'{kind} takes {form}, not "{given}"')
    return kind, given
