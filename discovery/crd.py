"""The CustomResourceDefinition, generated from the types of :mod:`discovery.v1alpha1`.

The API server takes *structural* schemas only: no references, no unions, and a bound on every list
and string, from which it reckons the cost of the CEL rules. Pydantic's JSON schema is brought into
that form here.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Final

import yaml
from pydantic.json_schema import GenerateJsonSchema

from discovery.durations import format_duration
from discovery.rules import CEL_RULES, cel
from discovery.v1alpha1 import (
    GROUP,
    KIND,
    NAME_NEEDS_SERVICE_NAME,
    PLURAL,
    VERSION,
    TailscaleEndpoints,
    TailscaleEndpointsSpec,
    TailscaleEndpointsStatus,
)
from discovery.v1alpha1_fields import SERVICE_NAME_PATTERN, Model
from tagselectors import Operator, messages
from tagselectors.grammar import KEY_PATTERN, MAX_LENGTH, VALUE_PATTERN
from tagselectors.requirement import MAX_VALUES

HEADER: Final = (
    "# Generated from the types in discovery/v1alpha1.py. Do not edit; after a change there run\n"
    "# tailnet-discovery crd > docs/crds/tailscaleendpoints.yaml\n"
)

_KEPT: Final = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    CEL_RULES,
    "required",
)

_RULE: Final = ("rule", "fieldPath", "reason", "message", "messageExpression")

_CONDITION: Final = '.status.conditions[?(@.type=="{}")].{}'
_COLUMNS: Final = (
    ("Tailnet", "string", ".spec.tailnet", "Tailnet that is searched", 0),
    ("Ready", "string", _CONDITION.format("Ready", "status"), "Whether endpoints are served", 0),
    ("Endpoints", "integer", ".status.totalEndpoints", "All endpoints", 0),
    ("Healthy", "integer", ".status.healthyEndpoints", "Endpoints that pass their checks", 0),
    ("Fresh", "string", _CONDITION.format("SourceFresh", "status"), "Whether the list is new", 0),
    ("Held", "integer", ".status.removal.total", "Removals that wait", 0),
    ("Age", "date", ".metadata.creationTimestamp", "", 0),
    ("Service", "string", ".spec.service.name", "Service, where not named as the resource", 1),
    (
        "VIPs",
        "string",
        _CONDITION.format("VIPServicesRegistered", "status"),
        "Whether all Tailscale Services are registered",
        1,
    ),
    ("Reason", "string", _CONDITION.format("Ready", "reason"), "Why it is ready or not", 1),
)


def crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition as an object."""
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": PLURAL,
        "shortNames": ["tse"],
        "categories": ["tailscale"],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".spec.tailnet"}],
        "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
        "schema": {"openAPIV3Schema": object_schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def crd_yaml() -> str:
    """Return the CustomResourceDefinition as the YAML file that is checked in."""
    body = yaml.dump(crd(), Dumper=_PlainDumper, sort_keys=False, width=100, allow_unicode=True)
    return f"{HEADER}---\n{body}"


@cache
def object_schema() -> Mapping[str, Any]:
    """Return the structural schema of a TailscaleEndpoints object."""
    named_by_service = (
        "has(self.spec.service) && has(self.spec.service.name) && self.spec.service.name != ''"
    )
    named_well = f"self.metadata.name.matches(r'{SERVICE_NAME_PATTERN}')"
    message = f"metadata.name {NAME_NEEDS_SERVICE_NAME}"
    return {
        "description": _first_paragraph(TailscaleEndpoints),
        "type": "object",
        CEL_RULES: [cel(f"({named_by_service}) || {named_well}", message)],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": f"{GROUP}/{VERSION}", "type": "string"},
            "kind": {"description": KIND, "type": "string"},
            "metadata": {"type": "object"},
            "spec": _schema_of(TailscaleEndpointsSpec),
            "status": _without_defaults(_schema_of(TailscaleEndpointsStatus)),
        },
    }


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, with durations as the API writes them."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


class _PlainDumper(yaml.SafeDumper):
    """Writes every value in full: the API server knows aliases, people dislike them."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
        return True


def _schema_of(model: type[Model]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    definitions = {**schema.get("$defs", {}), "TagSelector": _tag_selector()}
    return _structural(schema, definitions)


def _structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without references, unions and what the API server does not know."""
    resolved = _resolved(schema, definitions)
    node = {keyword: resolved[keyword] for keyword in _KEPT if keyword in resolved}
    if not _is_stated(node.get("default")):
        node.pop("default", None)
    if CEL_RULES in node:
        node[CEL_RULES] = [
            {key: rule[key] for key in _RULE if key in rule} for rule in node[CEL_RULES]
        ]
    if "properties" in resolved:
        properties = resolved["properties"].items()
        node["properties"] = {name: _structural(each, definitions) for name, each in properties}
    for below in ("items", "additionalProperties"):
        if isinstance(resolved.get(below), Mapping):
            node[below] = _structural(resolved[below], definitions)
    return node


def _ordered(rule: Mapping[str, str]) -> dict[str, str]:
    return {key: rule[key] for key in _RULE if key in rule}


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference, or the one branch of a union that is not null; what is outside wins."""
    own = dict(schema)
    branches = [branch for branch in own.pop("anyOf", ()) if branch.get("type") != "null"]
    reference = own.pop("$ref", None)
    if reference is not None:
        branches.append(definitions[reference.rpartition("/")[2]])
    for branch in branches:
        own = {**_resolved(branch, definitions), **own}
    return own


def _is_stated(default: object) -> bool:
    """Tell whether the API server should fill a default in: not an empty or a composed one."""
    return default not in (None, "", [], {}) and not isinstance(default, Mapping)


def _without_defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in which nothing is filled in: a status says only what was written."""
    node = {keyword: value for keyword, value in schema.items() if keyword != "default"}
    if "properties" in node:
        properties = node["properties"].items()
        node["properties"] = {name: _without_defaults(each) for name, each in properties}
    if "items" in node:
        node["items"] = _without_defaults(node["items"])
    return node


def _tag_selector() -> dict[str, Any]:
    """Return the schema of a requirement on tags; its checks are in :mod:`tagselectors`."""
    taking = "self.operator in ['In', 'NotIn']"
    having = "has(self.values) && size(self.values) > 0"
    text = {"type": "string", "maxLength": MAX_LENGTH}
    return {
        "description": "A requirement on the tags of a device.",
        "type": "object",
        CEL_RULES: [
            _operator_rule(f"!({taking}) || ({having})", messages.NEEDS_VALUES),
            _operator_rule(f"{taking} || !({having})", messages.TAKES_NO_VALUES),
        ],
        "required": ["key", "operator"],
        "properties": {
            "key": {
                "description": "The part of a tag before the value: env for tag:env-production.",
                **text,
                "minLength": 1,
                "pattern": KEY_PATTERN,
            },
            "operator": {
                "description": "In: one of values is there. NotIn: none is. Exists: the key is "
                "there, with or without a value. DoesNotExist: it is not.",
                "type": "string",
                "enum": [operator.value for operator in Operator],
            },
            "values": {
                "description": "Values for In and NotIn, at most 64; an empty one means the bare "
                "tag, tag:env. Other operators take none.",
                "type": "array",
                "maxItems": MAX_VALUES,
                "x-kubernetes-list-type": "atomic",
                "items": {**text, "pattern": VALUE_PATTERN},
            },
        },
    }


def _operator_rule(expression: str, message: str) -> dict[str, Any]:
    spelled = message.format(operator="' + self.operator + '")
    general = message.format(operator="").replace("  ", " ")
    return {
        **cel(expression, general, field="values"),
        "messageExpression": f"'{spelled}'",
    }


def _column(name: str, kind: str, path: str, description: str, priority: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    if description:
        column["description"] = description
    return column | ({"priority": priority} if priority else {})


def _first_paragraph(model: type[Model]) -> str:
    return (model.__doc__ or "").partition("\n\n")[0]
