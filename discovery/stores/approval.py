"""Approvals of removals: one annotation of a resource, which a person gave it by hand.

A manifest that is applied again takes nothing away that it does not name, so that an approval given
beside it stands, until the manifest names one itself.
"""

from collections.abc import Mapping
from typing import Any

from discovery.plan.guard import APPROVAL_ANNOTATION
from discovery.v1alpha1 import ObjectMeta, TailscaleEndpoints


def with_approval(manifest: TailscaleEndpoints, there: ObjectMeta) -> TailscaleEndpoints:
    """Return the manifest's resource with the approval that the object has, and nothing else."""
    approval = there.annotations.get(APPROVAL_ANNOTATION)
    own = manifest.metadata.annotations
    if approval is None or APPROVAL_ANNOTATION in own:
        return manifest
    annotations = {**own, APPROVAL_ANNOTATION: approval}
    metadata = manifest.metadata.model_copy(update={"annotations": annotations})
    return manifest.model_copy(update={"metadata": metadata})


def annotated(metadata: Mapping[str, Any], approval: str | None) -> dict[str, Any]:
    """Return the metadata of an object with this approval; None takes it away."""
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(APPROVAL_ANNOTATION, None)
    if approval is not None:
        annotations[APPROVAL_ANNOTATION] = approval
    found = {**metadata, "annotations": annotations}
    if not annotations:
        del found["annotations"]
    return found
