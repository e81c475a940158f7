"""What the cluster store keeps of each kind of object, read from raw JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from discovery.parsing import InvalidResourceError, parse_object
from discovery.plan.owner import (
    KIND,
    RESOURCE_LABEL,
    SERVICE_MANAGED_BY,
    SERVICE_NAME_LABEL,
    SLICE_MANAGED_BY,
    controller_of,
)
from discovery.plan.slices import EndpointSlice
from discovery.stores import UnreadableResource
from discovery.v1alpha1 import Key, ObjectMeta, TailscaleEndpoints
from discovery.v1alpha1_status import TailscaleEndpointsStatus

_MIRRORED: Final = "endpointslicemirroring-controller.k8s.io"
"""Who manages slices that are made from an Endpoints object of a Service without selector."""

SLICE_LABELS: Final = f"{SLICE_MANAGED_BY[0]} in ({SLICE_MANAGED_BY[1]},{_MIRRORED})"
SERVICE_LABELS: Final = f"{SERVICE_MANAGED_BY[0]}={SERVICE_MANAGED_BY[1]}"


@dataclass(frozen=True, slots=True)
class HeldSlice:
    """An EndpointSlice and whose it is.

    ``marks`` is an object with just the metadata by which ownership is told; ``slice`` is None
    where the object is none that we could have written.
    """

    marks: Mapping[str, Any]
    slice: EndpointSlice | None

    @property
    def service_name(self) -> str | None:
        """The Service that its endpoints belong to."""
        return labels_of(self.marks).get(SERVICE_NAME_LABEL)

    @property
    def is_mirrored(self) -> bool:
        """Whether Kubernetes made it from a hand-made Endpoints object."""
        return labels_of(self.marks).get(SLICE_MANAGED_BY[0]) == _MIRRORED


def read_resource(obj: Mapping[str, Any]) -> TailscaleEndpoints | UnreadableResource:
    """Return the resource, or what can be said of one that slipped past an older CRD."""
    try:
        return parse_object(obj)
    except InvalidResourceError as error:
        metadata = ObjectMeta.model_construct(
            name=obj["metadata"]["name"],
            namespace=obj["metadata"]["namespace"],
            uid=obj["metadata"]["uid"],
            generation=obj["metadata"].get("generation", 0),
        )
        key = Key(metadata.namespace, metadata.name)
        return UnreadableResource(key, metadata, _status(obj.get("status")), str(error))


def read_slice(obj: Mapping[str, Any]) -> HeldSlice:
    """Return what is kept of an EndpointSlice of anybody."""
    metadata = obj["metadata"]
    marks = {
        "metadata": {
            "labels": metadata.get("labels") or {},
            "ownerReferences": metadata.get("ownerReferences") or [],
        }
    }
    try:
        held = EndpointSlice.parse(obj)
    except (KeyError, TypeError, ValueError):
        return HeldSlice(marks, None)
    return HeldSlice(marks, held)


def read_service(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a Service without its status."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": obj["metadata"],
        "spec": obj.get("spec") or {},
    }


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels of an object."""
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels


def owner_uid(obj: Mapping[str, Any]) -> str:
    """Return the uid of the object's controller; empty where it has none."""
    return str(controller_of(obj["metadata"]).get("uid", ""))


def owner_name(obj: Mapping[str, Any]) -> str | None:
    """Return the name of the TailscaleEndpoints that is the object's controller."""
    controller = controller_of(obj["metadata"])
    return controller.get("name") if controller.get("kind") == KIND else None


def resource_label(obj: Mapping[str, Any]) -> str | None:
    """Return the label by which a slice names its resource."""
    return labels_of(obj).get(RESOURCE_LABEL)


def _status(raw: Any) -> TailscaleEndpointsStatus | None:
    try:
        return TailscaleEndpointsStatus.model_validate(raw)
    except ValidationError:
        return None
