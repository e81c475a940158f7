"""EndpointSlices as values: the one place that builds their manifests and reads them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import msgspec

from discovery.plan.owner import (
    GROUP,
    HEADLESS_LABEL,
    INSTANCE_LABEL,
    RESOURCE_LABEL,
    SERVICE_NAME_LABEL,
    SLICE_MANAGED_BY,
    controller_of,
    owner_references,
)
from discovery.plan.ports import Port, Transport

NODES_ANNOTATION: Final = f"{GROUP}/nodes"
TRIGGER_ANNOTATION: Final = "endpoints.kubernetes.io/last-change-trigger-time"

_OUR_LABELS = frozenset(
    {
        HEADLESS_LABEL,
        INSTANCE_LABEL,
        RESOURCE_LABEL,
        SERVICE_NAME_LABEL,
        SLICE_MANAGED_BY[0],
    }
)
_OUR_FIELDS = frozenset({"addresses", "conditions", "hostname"})
_TRANSPORTS = frozenset(Transport)


class AddressType(StrEnum):
    """The kind of addresses in a slice, as Kubernetes spells it. FQDN is read, never written."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"
    FQDN = "FQDN"


class SliceEndpoint(msgspec.Struct, frozen=True, order=True, gc=False):
    """One endpoint in a slice. ``node_id`` is empty where no known device has the address."""

    name: str
    address: str
    node_id: str = ""
    ready: bool = True
    serving: bool = True

    def manifest(self) -> dict[str, Any]:
        """Return the endpoint as Kubernetes has it, with every condition explicit."""
        return {
            "addresses": [self.address],
            "conditions": {"ready": self.ready, "serving": self.serving, "terminating": False},
            "hostname": self.name,
        }


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """What the endpoints of one slice have in common. ``ports`` are sorted, none is ``checked``."""

    address_type: AddressType
    ports: tuple[Port, ...]

    def stem(self, resource: str) -> str:
        """Return what the names of a resource's slices of this group begin with.

        The hash is over the full name: two resources may share their first 40 characters.
        """
        ports = [[p.name, p.number, p.transport, p.app_protocol] for p in self.ports]
        identity = json.dumps([resource, self.address_type, ports], separators=(",", ":"))
        digits = sha256(identity.encode()).hexdigest()[:10]
        return f"{resource[:40].rstrip('-.')}-{digits}"


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """An EndpointSlice as far as it is ours: labels and annotations of others are not in it.

    ``endpoints`` are sorted by name, then address. ``drifted`` says that the object that was read
    holds something that we never write, such as a second address or a topology hint.
    """

    namespace: str
    name: str
    address_type: AddressType
    ports: tuple[Port, ...]
    endpoints: tuple[SliceEndpoint, ...]
    labels: tuple[tuple[str, str], ...]
    owner_name: str
    owner_uid: str
    trigger_time: str = ""
    uid: str = ""
    resource_version: str = ""
    deleting: bool = False
    drifted: bool = False

    @property
    def group(self) -> Group:
        """The group whose endpoints the slice can hold."""
        return Group(self.address_type, self.ports)

    @property
    def service_name(self) -> str | None:
        """The Service that the slice's endpoints belong to."""
        return dict(self.labels).get(SERVICE_NAME_LABEL)

    @property
    def annotations(self) -> dict[str, str]:
        """All annotations that we write, sorted."""
        annotations = {NODES_ANNOTATION: _nodes_text(self.endpoints)}
        if self.trigger_time:
            annotations[TRIGGER_ANNOTATION] = self.trigger_time
        return dict(sorted(annotations.items()))

    def manifest(self) -> dict[str, Any]:
        """Return the slice as an object for the API server. Everything in it is new."""
        metadata: dict[str, Any] = {"name": self.name, "namespace": self.namespace}
        if self.uid:
            metadata["uid"] = self.uid
        if self.resource_version:
            metadata["resourceVersion"] = self.resource_version
        metadata["labels"] = dict(self.labels)
        metadata["annotations"] = self.annotations
        if references := owner_references(self.owner_name, self.owner_uid):
            metadata["ownerReferences"] = references
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": self.address_type.value,
            "ports": [port_manifest(port) for port in self.ports],
            "endpoints": [endpoint.manifest() for endpoint in self.endpoints],
        }

    @classmethod
    def parse(cls, manifest: Mapping[str, Any]) -> "EndpointSlice":
        """Read an EndpointSlice that :func:`~discovery.plan.owner.slice_ownership` calls ours.

        Accepts what an API server answers: null lists, absent conditions (which mean true),
        fields of others. Raises KeyError or ValueError where the object is no EndpointSlice.
        """
        metadata = manifest["metadata"]
        controller = controller_of(metadata)
        annotations = metadata.get("annotations") or {}
        found = manifest.get("endpoints") or ()
        endpoints = _parse_endpoints(found, _parse_nodes(annotations.get(NODES_ANNOTATION)))
        ports, unreadable = _parse_ports(manifest.get("ports") or ())
        labels = metadata.get("labels") or {}
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            address_type=AddressType(manifest["addressType"]),
            ports=ports,
            endpoints=endpoints,
            labels=tuple(sorted((k, v) for k, v in labels.items() if k in _OUR_LABELS)),
            owner_name=controller.get("name", ""),
            owner_uid=controller.get("uid", ""),
            trigger_time=annotations.get(TRIGGER_ANNOTATION, ""),
            uid=metadata.get("uid", ""),
            resource_version=metadata.get("resourceVersion", ""),
            deleting=metadata.get("deletionTimestamp") is not None,
            drifted=unreadable
            or annotations.get(NODES_ANNOTATION) != _nodes_text(endpoints)
            or any(_is_altered(endpoint) for endpoint in found),
        )


def port_manifest(port: Port) -> dict[str, str | int]:
    """Return a port as an EndpointSlice has it; a Service port has the same fields."""
    manifest: dict[str, str | int] = {
        "name": port.name,
        "port": port.number,
        "protocol": port.transport.value,
    }
    if port.app_protocol:
        manifest["appProtocol"] = port.app_protocol
    return manifest


def _nodes_text(endpoints: Iterable[SliceEndpoint]) -> str:
    nodes = {e.name: e.node_id for e in endpoints if e.node_id}
    return json.dumps(nodes, separators=(",", ":"), sort_keys=True)


def _parse_nodes(text: Any) -> dict[str, str]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, str])
    except msgspec.DecodeError:
        return {}


def _parse_endpoints(
    found: Iterable[Mapping[str, Any]], nodes: Mapping[str, str]
) -> tuple[SliceEndpoint, ...]:
    endpoints = []
    for endpoint in found:
        conditions = endpoint.get("conditions") or {}
        name = endpoint.get("hostname") or ""
        ready = conditions.get("ready") is not False
        serving = conditions.get("serving") is not False
        endpoints += [
            SliceEndpoint(name, address, nodes.get(name, ""), ready, serving)
            for address in endpoint.get("addresses") or ()
        ]
    return tuple(sorted(endpoints))


def _is_altered(endpoint: Mapping[str, Any]) -> bool:
    """Tell whether somebody made of an endpoint what we never write."""
    conditions = endpoint.get("conditions") or {}
    return (
        conditions.get("terminating") is True
        or len(endpoint.get("addresses") or ()) != 1
        or any(value and key not in _OUR_FIELDS for key, value in endpoint.items())
    )


def _parse_ports(found: Iterable[Mapping[str, Any]]) -> tuple[tuple[Port, ...], bool]:
    """Return the ports, and whether one of them is none that we could have written."""
    ports = []
    unreadable = False
    for port in found:
        transport = port.get("protocol") or Transport.TCP
        if port.get("port") is None or transport not in _TRANSPORTS:
            unreadable = True
            continue
        name, app_protocol = port.get("name") or "", port.get("appProtocol") or ""
        ports.append(Port(name, port["port"], Transport(transport), app_protocol))
    return tuple(sorted(ports)), unreadable
