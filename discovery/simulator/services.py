"""Services (VIP services): the rules of creating, replacing, renaming and deleting them.

The messages are those of the real service where it was observed (see
:mod:`discovery.simulator.refusals`); the rest say what rule was broken.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from discovery.simulator.addresses import Addresses, as_ipv4, check_ipv4
from discovery.simulator.refusals import JSONObject, Refusal, bad_request, not_found

PORTS_EMPTY: Final = 'ports are empty, use "do-not-validate" to opt out of port validation'
ADDRS_ON_CREATE: Final = (
    "when creating a new service, addrs must be empty or contain 1 IPv4 address"
)
ADDRS_ON_UPDATE: Final = "when updating a service, addrs must contain 2 elements"
NAME_IN_USE: Final = "name is in use but is not a service"

_ANY_PORT: Final = "do-not-validate"
_NAME: Final = re.compile(r"svc:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_PORT: Final = re.compile(r"tcp:(\d{1,5})")
_HIGHEST_PORT: Final = 65535
_LONGEST_DISPLAY_NAME: Final = 64


class Services:
    """The Services of a tailnet by name, in the order they were made."""

    def __init__(self, services: Iterable[JSONObject] = ()) -> None:
        self._addresses = Addresses()
        self._by_name: dict[str, JSONObject] = {}
        for one in services:
            addrs = one.get("addrs") or self._created([], frozenset())
            self._by_name[one["name"]] = {**one, "addrs": addrs}

    def listed(self) -> list[JSONObject]:
        """Return every Service, as the API serves it."""
        return list(self._by_name.values())

    def get(self, name: str) -> JSONObject:
        """Return one Service; 404 where there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise not_found() from None

    def put(
        self,
        name: str,
        body: Any,
        *,
        labels: Iterable[str],
        tags: Iterable[str],
        addresses: Iterable[str],
    ) -> JSONObject:
        """Create, replace or rename a Service, and return it as stored.

        ``labels`` and ``addresses`` are those of the machines, which a Service may not have;
        ``tags`` are those that the tailnet's policy knows. What the body does not say is cleared.
        """
        wanted = _checked(body, name)
        current = self._by_name.get(name)
        self._check_name(wanted["name"], current, name, labels)
        _check_ports(wanted.get("ports", []))
        _check_tags(wanted.get("tags", []), frozenset(tags))
        wanted["addrs"] = self._assigned(wanted.get("addrs", []), current, frozenset(addresses))
        # The service's order of tags is not the sender's: no client may compare them as lists.
        wanted["tags"] = sorted(wanted.get("tags", []), reverse=True)
        stored = {key: value for key, value in wanted.items() if value}
        self._store(name, stored)
        return stored

    def delete(self, name: str) -> None:
        """Remove a Service; 404 where there is none."""
        self.get(name)
        del self._by_name[name]

    def _store(self, name: str, stored: JSONObject) -> None:
        if name in self._by_name and name != stored["name"]:
            del self._by_name[name]
        self._by_name[stored["name"]] = stored

    def _check_name(
        self, name: str, current: JSONObject | None, path_name: str, labels: Iterable[str]
    ) -> None:
        if _NAME.fullmatch(name) is None:
            raise bad_request(f'invalid service name "{name}"')
        if name == path_name and current is not None:
            return
        if current is None and name != path_name:
            raise bad_request("when creating a new service, name must be that of the path")
        if name.removeprefix("svc:").lower() in labels:
            raise Refusal(HTTPStatus.CONFLICT, NAME_IN_USE)
        if name in self._by_name:
            raise Refusal(HTTPStatus.CONFLICT, f'a service named "{name}" exists')

    def _assigned(
        self, asked: list[str], current: JSONObject | None, machines: frozenset[str]
    ) -> list[str]:
        others = (one for one in self._by_name.values() if one is not current)
        taken = machines.union(*(one.get("addrs", []) for one in others))
        if current is None:
            return self._created(asked, taken)
        if len(asked) != 2:  # noqa: PLR2004  one of each family
            raise bad_request(ADDRS_ON_UPDATE)
        ipv4, ipv6 = asked
        check_ipv4(ipv4, taken)
        if ipv6 != current["addrs"][1]:
            raise bad_request("when updating a service, the IPv6 address cannot be changed")
        return asked

    def _created(self, asked: list[str], taken: frozenset[str]) -> list[str]:
        if len(asked) > 1 or not all(as_ipv4(text) for text in asked):
            raise bad_request(ADDRS_ON_CREATE)
        if asked:
            check_ipv4(asked[0], taken)
        ipv4 = asked[0] if asked else self._addresses.next_ipv4(taken)
        return [ipv4, self._addresses.next_ipv6(taken)]


def _checked(body: Any, name: str) -> JSONObject:
    """Return the known fields of a body, each of its type; anything else is a bad request."""
    if not isinstance(body, dict):
        raise bad_request()
    wanted = {key: body[key] for key in _FIELDS if body.get(key) is not None}
    if not all(_FIELDS[key](value) for key, value in wanted.items()):
        raise bad_request()
    if len(wanted.get("displayName", "")) > _LONGEST_DISPLAY_NAME:
        raise bad_request(f"displayName is longer than {_LONGEST_DISPLAY_NAME} characters")
    return {"name": name, **wanted}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(element, str) for element in value)


def _is_text_by_text(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())


_FIELDS: Final = {
    "name": _is_text,
    "addrs": _is_texts,
    "displayName": _is_text,
    "comment": _is_text,
    "ports": _is_texts,
    "tags": _is_texts,
    "annotations": _is_text_by_text,
}


def _check_ports(ports: list[str]) -> None:
    if not ports:
        raise bad_request(PORTS_EMPTY)
    if ports == [_ANY_PORT]:
        return
    for port in ports:
        match = _PORT.fullmatch(port)
        if match is None or not 1 <= int(match[1]) <= _HIGHEST_PORT:
            raise bad_request(f'invalid port "{port}"')


def _check_tags(tags: list[str], known: frozenset[str]) -> None:
    refused = [tag for tag in tags if tag not in known]
    if refused:
        raise bad_request(f"requested tags [{' '.join(refused)}] are invalid or not permitted")
