"""Ownership: whose child an object is, and the marks by which ours are known.

Children copy nothing from their resource and never carry ``app.kubernetes.io/instance``: GitOps
tools would take them for their own and prune them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from discovery.v1alpha1 import ServiceType, TailscaleEndpoints

GROUP: Final = "gateway.tailscale.com"
API_VERSION: Final = f"{GROUP}/v1alpha1"
KIND: Final = "TailscaleEndpoints"
FIELD_MANAGER: Final = "tailnet-discovery"
"""The one name under which children are applied."""

INSTANCE_LABEL: Final = f"{GROUP}/instance"
RESOURCE_LABEL: Final = f"{GROUP}/endpoints"
SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
HEADLESS_LABEL: Final = "service.kubernetes.io/headless"
SLICE_MANAGED_BY: Final = (
    "endpointslice.kubernetes.io/managed-by",
    "tailscale-endpoints.gateway.tailscale.com",
)
SERVICE_MANAGED_BY: Final = ("app.kubernetes.io/managed-by", "tailnet-discovery")

MAX_LABEL_VALUE: Final = 63
"""Characters that a label's value may have; the name of a resource may have 253."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A TailscaleEndpoints resource as its children see it.

    ``service_name`` is None where its slices belong to no Service; ``uid`` is empty for a resource
    that is in no cluster. ``headless`` says how the Service is to be, ``instance`` which controller
    does the work.
    """

    namespace: str
    name: str
    uid: str
    service_name: str | None
    headless: bool
    instance: str

    @property
    def resource_label(self) -> str:
        """The resource's name as a label's value: a long one is cut and told apart by a hash."""
        if len(self.name) <= MAX_LABEL_VALUE:
            return self.name
        return f"{self.name[:40].rstrip('-.')}-{sha256(self.name.encode()).hexdigest()[:10]}"

    @property
    def slice_labels(self) -> dict[str, str]:
        """All labels of the resource's EndpointSlices.

        ``service.kubernetes.io/headless`` describes the Service, so that without one it is absent.
        """
        labels = {
            SLICE_MANAGED_BY[0]: SLICE_MANAGED_BY[1],
            INSTANCE_LABEL: self.instance,
            RESOURCE_LABEL: self.resource_label,
        }
        if self.service_name is not None:
            labels[SERVICE_NAME_LABEL] = self.service_name
            if self.headless:
                labels[HEADLESS_LABEL] = ""
        return dict(sorted(labels.items()))

    @property
    def service_labels(self) -> dict[str, str]:
        """All labels of the resource's Service."""
        return {SERVICE_MANAGED_BY[0]: SERVICE_MANAGED_BY[1], INSTANCE_LABEL: self.instance}


def owner_of(resource: TailscaleEndpoints, instance: str) -> Owner:
    """Return a resource as its children see it."""
    return Owner(
        namespace=resource.key.namespace,
        name=resource.key.name,
        uid=resource.metadata.uid,
        service_name=resource.spec.service_name(resource.key.name),
        headless=resource.spec.service.type is ServiceType.HEADLESS,
        instance=instance,
    )


def owner_references(name: str, uid: str) -> list[dict[str, Any]]:
    """Return the references by which the garbage collector knows a resource's children.

    A reference without a uid is invalid, so that a resource in no cluster gets none.
    """
    if not uid:
        return []
    return [
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": name,
            "uid": uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def controller_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the owner reference that is the controller's; an empty mapping where there is none."""
    references = metadata.get("ownerReferences") or ()
    return next((r for r in references if r.get("controller")), {})


class Ownership(StrEnum):
    """Whose child an object is, seen from one resource."""

    OURS = "ours"
    ADOPTABLE = "adoptable"
    """Left behind by this resource, or by one of its name: it becomes ours when it is written."""
    OTHER_INSTANCE = "other instance"
    FOREIGN = "foreign"


def slice_ownership(manifest: Mapping[str, Any], owner: Owner) -> Ownership:
    """Tell whose child an EndpointSlice of the owner's namespace is.

    One that nobody owns is adoptable only where it names the resource, or would add addresses to
    the resource's Service.
    """
    metadata = manifest.get("metadata") or {}
    labels = metadata.get("labels") or {}
    service = labels.get(SERVICE_NAME_LABEL)
    is_near = labels.get(RESOURCE_LABEL) == owner.resource_label or (
        service is not None and service == owner.service_name
    )
    return _ownership(metadata, owner, SLICE_MANAGED_BY, is_near=is_near)


def service_ownership(manifest: Mapping[str, Any], owner: Owner) -> Ownership:
    """Tell whose child the Service is that has the name which the owner wants for its own."""
    return _ownership(manifest.get("metadata") or {}, owner, SERVICE_MANAGED_BY, is_near=True)


def _ownership(
    metadata: Mapping[str, Any], owner: Owner, managed_by: tuple[str, str], *, is_near: bool
) -> Ownership:
    labels = metadata.get("labels") or {}
    controller = controller_of(metadata)
    instance = labels.get(INSTANCE_LABEL)
    if controller and controller.get("uid") == owner.uid:
        return Ownership.OURS if instance in {None, owner.instance} else Ownership.OTHER_INSTANCE
    if labels.get(managed_by[0]) != managed_by[1] or (
        controller and not _is_former(controller, owner)
    ):
        return Ownership.FOREIGN
    if instance != owner.instance:
        return Ownership.OTHER_INSTANCE
    return Ownership.ADOPTABLE if controller or is_near else Ownership.FOREIGN


def _is_former(controller: Mapping[str, Any], owner: Owner) -> bool:
    """Tell whether a controller is an earlier resource of the owner's name."""
    group = str(controller.get("apiVersion", "")).partition("/")[0]
    return (group, controller.get("kind"), controller.get("name")) == (GROUP, KIND, owner.name)
