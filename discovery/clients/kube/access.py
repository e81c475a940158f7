"""The rights that this program needs, in one table: for self-checks, ``doctor`` and the chart.

A verb is here exactly if some request needs it, see :mod:`discovery.clients.kube.client`.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.resources import (
    ACCESS_REVIEWS,
    ENDPOINT_SLICES,
    EVENTS,
    LEASES,
    SERVICES,
    TAILSCALE_ENDPOINTS,
    Resource,
)

_AT_ONCE: Final = 8


class Use(StrEnum):
    """What the program is run for. Who only observes still leads, reports and tells."""

    RUN = "run"
    OBSERVE = "observe"
    SYNC = "sync"
    PLAN = "plan"


class Scope(StrEnum):
    """Where a right is needed."""

    WATCHED = "in all namespaces"
    """In every namespace whose resources are worked on; all, unless one is chosen."""
    OWN = "in its own namespace"
    """In the namespace that the program runs in."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one kind of object, and what it is for.

    ``named``: it is needed for one object only, whose name is known. ``asked_in`` is the namespace
    that was asked about, where it was a certain one.
    """

    group: str
    resource: str
    subresource: str
    verb: str
    scope: Scope
    needed_for: str
    uses: frozenset[Use]
    named: bool = False
    asked_in: str = field(default="", compare=False)

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        part = f"/{self.subresource}" if self.subresource else ""
        place = f"in namespace {self.asked_in}" if self.asked_in else self.scope
        return f"{self.verb} {kind}{part} {place} (to {self.needed_for})"


_READS: Final = frozenset(Use)
_FOLLOWS: Final = frozenset({Use.RUN, Use.OBSERVE})
_WRITES: Final = frozenset({Use.RUN, Use.SYNC})
_LEADS: Final = _FOLLOWS | _WRITES


def _watched(
    kind: Resource, verb: str, needed_for: str, uses: frozenset[Use], *, part: str = ""
) -> Permission:
    return Permission(kind.group, kind.plural, part, verb, Scope.WATCHED, needed_for, uses)


def _leading(verb: str, needed_for: str, *, named: bool) -> Permission:
    return Permission(
        LEASES.group, LEASES.plural, "", verb, Scope.OWN, needed_for, _LEADS, named=named
    )


PERMISSIONS: Final[tuple[Permission, ...]] = (
    _watched(TAILSCALE_ENDPOINTS, "list", "know the resources", _READS),
    _watched(TAILSCALE_ENDPOINTS, "watch", "follow edits of the resources", _FOLLOWS),
    _watched(TAILSCALE_ENDPOINTS, "patch", "report in their status", _LEADS, part="status"),
    # OwnerReferencesPermissionEnforcement asks for it where a child blocks its owner's deletion.
    _watched(TAILSCALE_ENDPOINTS, "update", "own what is written", _WRITES, part="finalizers"),
    # A slice that lost its managed-by label is found only by the name that it still holds.
    _watched(ENDPOINT_SLICES, "get", "see whose the name of a slice is", _WRITES),
    _watched(ENDPOINT_SLICES, "list", "know the slices", _READS),
    _watched(ENDPOINT_SLICES, "watch", "see slices that others change", _FOLLOWS),
    _watched(ENDPOINT_SLICES, "create", "write the slices", _WRITES),
    _watched(ENDPOINT_SLICES, "patch", "change the slices", _WRITES),
    _watched(ENDPOINT_SLICES, "delete", "remove slices that are not needed", _WRITES),
    _watched(SERVICES, "get", "see whose the name of a Service is", _READS),
    _watched(SERVICES, "list", "know the Services", _READS),
    _watched(SERVICES, "watch", "see Services that others change", _FOLLOWS),
    _watched(SERVICES, "create", "write the Services", _WRITES),
    _watched(SERVICES, "patch", "change the Services", _WRITES),
    _watched(SERVICES, "delete", "remove Services that are not needed", _WRITES),
    _watched(EVENTS, "create", "tell what happened", _LEADS),
    _watched(EVENTS, "patch", "count what happens again", _LEADS),
    _leading("get", "see who leads", named=True),
    _leading("create", "lead for the first time", named=False),
    _leading("update", "lead", named=True),
)
"""Every right, by kind of object; :func:`needed` selects those of one use."""


def needed(use: Use) -> tuple[Permission, ...]:
    """Return the rights that one use of the program needs."""
    return tuple(permission for permission in PERMISSIONS if use in permission.uses)


async def missing(
    client: KubeClient,
    permissions: Iterable[Permission],
    namespace: str | None = None,
    *,
    lease: str = "",
) -> tuple[Permission, ...]:
    """Return those of the rights that the client's identity does not have, in their order.

    ``namespace`` is the one whose resources are worked on, None for all; the program's own is the
    client's. ``lease`` is the Lease's name: a role that grants that Lease alone answers no to the
    question for any. Asks by SelfSubjectAccessReview, which every identity may; raises APIError.
    """
    asked = [_placed(permission, client.namespace, namespace) for permission in permissions]
    turn = asyncio.Semaphore(_AT_ONCE)

    async def allowed(permission: Permission) -> bool:
        async with turn:
            answer = await client.create(ACCESS_REVIEWS, None, _review(permission, lease))
        return bool((answer.get("status") or {}).get("allowed"))

    answers = await asyncio.gather(*map(allowed, asked), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return tuple(one for one, answer in zip(asked, answers, strict=True) if not answer)


def rules(
    permissions: Iterable[Permission], scope: Scope, *, lease: str = ""
) -> list[dict[str, list[str]]]:
    """Return the rules of a role that grants the rights of one scope, sorted, one per kind.

    With the name of the Lease, what is needed for it alone is a rule of its own
    (``resourceNames``).
    """
    wanted = sorted(
        ((one.group, _path(one), [lease] if lease and one.named else []), one.verb)
        for one in permissions
        if one.scope is scope
    )
    found = []
    for (group, path, names), ones in groupby(wanted, key=lambda pair: pair[0]):
        rule = {"apiGroups": [group], "resources": [path], "verbs": [verb for _, verb in ones]}
        found.append(rule | ({"resourceNames": names} if names else {}))
    return found


def _placed(permission: Permission, own: str, watched: str | None) -> Permission:
    place = own if permission.scope is Scope.OWN else watched
    return replace(permission, asked_in=place or "")


def _path(permission: Permission) -> str:
    parts = (permission.resource, permission.subresource)
    return "/".join(part for part in parts if part)


def _review(permission: Permission, lease: str) -> dict[str, Any]:
    attributes = {
        "group": permission.group,
        "resource": permission.resource,
        "subresource": permission.subresource,
        "verb": permission.verb,
        "namespace": permission.asked_in,
        "name": lease if permission.named else "",
    }
    return {
        "apiVersion": ACCESS_REVIEWS.api_version,
        "kind": ACCESS_REVIEWS.kind,
        "spec": {"resourceAttributes": attributes},
    }
