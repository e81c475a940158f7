"""Redaction: what may be a secret, and decides nothing, is never recorded.

Names, addresses and tags stay: they are what decisions are about.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from discovery.plan.guard import APPROVAL_ANNOTATION
from discovery.v1alpha1 import TailscaleEndpoints

HIDDEN: Final = "redacted"

_KEPT_METADATA: Final = ("name", "namespace", "uid", "generation", "resourceVersion")
_KEPT_OF_SERVICE: Final = (
    *("name", "namespace", "uid", "resourceVersion", "deletionTimestamp"),
    *("labels", "ownerReferences"),
)
_TEXTS: Final = (
    (re.compile(rb"://[^/\s\"\\@]+@"), b"://redacted@"),
    (re.compile(rb"tskey-[A-Za-z0-9-]+"), b"tskey-redacted"),
)


def redacted_resource(resource: TailscaleEndpoints) -> dict[str, Any]:
    """Return a resource as an object, with all that a pass reads of it and no secret.

    Left out are labels and annotations of others, since kubectl keeps a copy of the whole manifest
    in one, the values of health check headers, and queries in their paths.
    """
    manifest = resource.to_object()
    metadata = {k: v for k, v in manifest["metadata"].items() if k in _KEPT_METADATA}
    approval = resource.metadata.annotations.get(APPROVAL_ANNOTATION)
    if approval is not None:
        metadata["annotations"] = {APPROVAL_ANNOTATION: approval}
    return {**manifest, "metadata": metadata, "spec": _without_secrets(manifest["spec"])}


def redacted_service(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Service with all that a plan reads of it: of whose fields only those of ports."""
    metadata = {k: v for k, v in manifest["metadata"].items() if k in _KEPT_OF_SERVICE}
    if entries := manifest["metadata"].get("managedFields"):
        metadata["managedFields"] = [_ports_of(entry) for entry in entries]
    return {**manifest, "metadata": metadata}


def redacted_text(line: bytes) -> bytes:
    """Return text without the forms of secrets that could stand in somebody else's words."""
    for form, replacement in _TEXTS:
        line = form.sub(replacement, line)
    return line


def _without_secrets(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _hidden(value) if key == "healthCheck" else _without_secrets(value)
            for key, value in node.items()
        }
    return [_without_secrets(entry) for entry in node] if isinstance(node, list) else node


def _hidden(check: dict[str, Any]) -> dict[str, Any]:
    check = dict(check)
    if "headers" in check:
        check["headers"] = dict.fromkeys(check["headers"], HIDDEN)
    if "?" in check.get("path", ""):
        check["path"] = f"{check['path'].partition('?')[0]}?{HIDDEN}"
    return check


def _ports_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    ports = ((entry.get("fieldsV1") or {}).get("f:spec") or {}).get("f:ports") or {}
    kept: dict[str, dict[str, Any]] = {key: {} for key in ports}
    return {"manager": entry.get("manager", ""), "fieldsV1": {"f:spec": {"f:ports": kept}}}
