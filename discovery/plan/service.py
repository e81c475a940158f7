"""The companion Service: one selectorless Service per resource, which its slices belong to."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from discovery.plan.changes import Action, Change
from discovery.plan.endpointslice import port_manifest
from discovery.plan.owner import (
    FIELD_MANAGER,
    INSTANCE_LABEL,
    Owner,
    Ownership,
    controller_of,
    owner_references,
    service_ownership,
)
from discovery.plan.ports import Port

_NO_CLUSTER_IP = "None"


@dataclass(frozen=True, slots=True)
class CompanionService:
    """The Service that a resource wants. ``ports`` are sorted, with the declared numbers."""

    owner: Owner
    name: str
    ports: tuple[Port, ...]

    def manifest(self) -> dict[str, Any]:
        """Return the Service as it is to be applied, with nothing that the server chooses.

        A headless Service leaves ``ipFamilyPolicy`` to the server, which takes both families for
        one without selector.
        """
        spec: dict[str, Any] = {"type": "ClusterIP"}
        if self.owner.headless:
            spec["clusterIP"] = _NO_CLUSTER_IP
        else:
            spec["ipFamilyPolicy"] = "PreferDualStack"
        spec["publishNotReadyAddresses"] = False
        spec["ports"] = [port_manifest(port) for port in self.ports]
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": self.owner.namespace,
            "labels": self.owner.service_labels,
        }
        if references := owner_references(self.owner.name, self.owner.uid):
            metadata["ownerReferences"] = references
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What is to be done about the Service.

    While ``conflict`` is not empty the name belongs to a stranger: no slice may carry it, so that
    slices are planned for no endpoints. ``has_selector`` says that somebody gave our Service a
    selector, so that other endpoints join ours.
    """

    changes: tuple[Change, ...] = ()
    conflict: str = ""
    has_selector: bool = False


def desired_service(owner: Owner, ports: Iterable[Port]) -> CompanionService | None:
    """Return the Service that the owner wants, with one of ``ports`` per name; None for none."""
    if owner.service_name is None:
        return None
    return CompanionService(owner, owner.service_name, tuple(sorted(ports)))


def diff_service(
    current: Mapping[str, Any] | None, wanted: CompanionService | None, owner: Owner
) -> ServicePlan:
    """Plan the way from the Service that is there, as the API server answers it, to the wanted one.

    ``current`` has the wanted Service's name; without a wanted one it is any Service that may be
    left over, and is deleted only where it is the owner's. Fields that the server fills in, and
    what others may add, do not count.
    """
    if current is None:
        return ServicePlan(
            () if wanted is None else (_create(wanted, "There is no such Service."),)
        )
    whose = service_ownership(current, owner)
    deleting = current["metadata"].get("deletionTimestamp") is not None
    if wanted is None:
        left_over = whose is Ownership.OURS and not deleting
        return ServicePlan((_delete(current, "It is not wanted any more."),) if left_over else ())
    if whose not in {Ownership.OURS, Ownership.ADOPTABLE}:
        return ServicePlan(conflict=_conflict(current, whose))
    spec = current.get("spec") or {}
    has_selector = bool(spec.get("selector"))
    if deleting:
        return ServicePlan(has_selector=has_selector)
    if reason := _reason_to_replace(current, wanted):
        return ServicePlan(_replacement(current, wanted, reason), has_selector=has_selector)
    differences = _differences(current, wanted)
    changes = (_update(current, wanted, differences),) if differences else ()
    return ServicePlan(changes, has_selector=has_selector)


def _reason_to_replace(current: Mapping[str, Any], wanted: CompanionService) -> str:
    """Return why only a new Service can be as wanted; empty where this one can become so.

    What somebody else manages can not be applied away: a port of theirs under a name of ours would
    have the server refuse ours for ever.
    """
    spec, entries = current.get("spec") or {}, current["metadata"].get("managedFields") or ()
    if _is_headless(spec) != wanted.owner.headless:
        return f"It becomes {'headless' if wanted.owner.headless else 'ClusterIP'}"
    ours = {port.name: (port.number, port.transport.value) for port in wanted.ports}
    theirs = _managed_ports(entry for entry in entries if entry.get("manager") != FIELD_MANAGER)
    for port in spec.get("ports") or ():
        key = (port["port"], port.get("protocol") or "TCP")
        if key in theirs and key != ours.get(port.get("name") or "", key):
            return f"It gets its port {port['name']!r} back from somebody else"
    return ""


def _is_headless(spec: Mapping[str, Any]) -> bool:
    return spec.get("clusterIP") == _NO_CLUSTER_IP


def _conflict(current: Mapping[str, Any], whose: Ownership) -> str:
    metadata = current["metadata"]
    controller = controller_of(metadata)
    if whose is Ownership.OTHER_INSTANCE:
        instance = metadata["labels"].get(INSTANCE_LABEL)
        reason = f"belongs to {f'instance {instance!r}' if instance else 'no instance'}"
    elif controller:
        reason = f"is owned by {controller.get('kind')} {controller.get('name')!r}"
    else:
        reason = "was not made for this resource"
    where = f"{metadata['namespace']}/{metadata['name']}"
    return f"Service {where} exists and {reason}; set spec.service.name to a free name"


def _differences(current: Mapping[str, Any], wanted: CompanionService) -> list[str]:
    metadata, spec = current["metadata"], current.get("spec") or {}
    owner = wanted.owner
    labels = metadata.get("labels") or {}
    found = {
        "labels": any(labels.get(key) != value for key, value in owner.service_labels.items()),
        "owner": controller_of(metadata).get("uid", "") != owner.uid,
        "type": spec.get("type", "ClusterIP") != "ClusterIP",
        "ports": _ports_differ(current, wanted),
        "ipFamilyPolicy": not owner.headless and spec.get("ipFamilyPolicy") != "PreferDualStack",
        "publishNotReadyAddresses": bool(spec.get("publishNotReadyAddresses")),
    }
    return [name for name, differs in found.items() if differs]


def _ports_differ(current: Mapping[str, Any], wanted: CompanionService) -> bool:
    """Compare ports by number and transport, their key in a Service.

    A port that somebody else added can not be taken away by applying ours, so that it counts only
    where ``managedFields`` do not say whose it is.
    """
    spec = current.get("spec") or {}
    have = {
        (port["port"], port.get("protocol") or "TCP"): (
            port.get("name") or "",
            port.get("appProtocol") or "",
        )
        for port in spec.get("ports") or ()
    }
    want = {(p.number, p.transport.value): (p.name, p.app_protocol) for p in wanted.ports}
    if any(have.get(key) != value for key, value in want.items()):
        return True
    entries = current["metadata"].get("managedFields")
    surplus = have.keys() - want.keys()
    if not entries:
        return bool(surplus)
    return bool(surplus & _managed_ports(e for e in entries if e.get("manager") == FIELD_MANAGER))


def _managed_ports(entries: Iterable[Mapping[str, Any]]) -> set[tuple[int, str]]:
    """Return the key of every Service port that the managers of these entries have a part in."""
    managed = set()
    for entry in entries:
        ports = entry.get("fieldsV1", {}).get("f:spec", {}).get("f:ports", {})
        keys = [json.loads(key[2:]) for key in ports if key.startswith("k:")]
        managed |= {(key["port"], key["protocol"]) for key in keys}
    return managed


def _create(wanted: CompanionService, reason: str, needs: tuple[str, ...] = ()) -> Change:
    namespace, after = wanted.owner.namespace, wanted.manifest()
    return Change(Action.CREATE, "Service", namespace, wanted.name, reason, None, after, needs)


def _update(
    current: Mapping[str, Any], wanted: CompanionService, differences: Iterable[str]
) -> Change:
    after = wanted.manifest()
    if uid := current["metadata"].get("uid"):
        after["metadata"]["uid"] = uid
    reason = f"Differs in {', '.join(differences)}."
    namespace = wanted.owner.namespace
    return Change(Action.UPDATE, "Service", namespace, wanted.name, reason, current, after)


def _delete(current: Mapping[str, Any], reason: str) -> Change:
    metadata = current["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    return Change(Action.DELETE, "Service", namespace, name, reason, current, None)


def _replacement(
    current: Mapping[str, Any], wanted: CompanionService, reason: str
) -> tuple[Change, Change]:
    """Delete and create again: the server lets nobody change this in a Service that exists."""
    delete = _delete(current, f"{reason}, which only a new Service can.")
    return delete, _create(wanted, f"{reason}.", needs=(wanted.name,))
