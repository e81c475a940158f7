"""The reference of the API's fields, from the same schema that the API server gets."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from discovery.crd import object_schema
from discovery.rules import CEL_RULES
from discovery.v1alpha1 import API_VERSION, KIND

_HEAD: Final = f"""\
<!-- Generated from the types in discovery/v1alpha1.py. Do not edit; after a change there run
     tailnet-discovery crd -o markdown > docs/reference/tailscaleendpoints.md -->

# {KIND}

`apiVersion: {API_VERSION}`, `kind: {KIND}`. The same text is in the cluster:
`kubectl explain tailscaleendpoints.spec`. Defaults hold where the object around them is present.
"""


def reference() -> str:
    """Return the reference as Markdown: one table for each object, spec before status."""
    schema = object_schema()
    rules = "".join(f"- {rule['message']}.\n" for rule in schema[CEL_RULES])
    sections = [
        section
        for name in ("spec", "status")
        for section in _sections(name, schema["properties"][name])
    ]
    return "\n".join([_HEAD, rules, *sections])


def _sections(path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the section of an object, then those of the objects in it."""
    required = schema.get("required", ())
    rows = "".join(
        f"| `{name}` | {_type(field)} | {'yes' if name in required else ''} | {_meaning(field)} |\n"
        for name, field in schema["properties"].items()
    )
    rules = "".join(
        f"- `{path}{rule.get('fieldPath', '')}`: {rule['message']}.\n"
        for rule in schema.get(CEL_RULES, ())
    )
    text = f"## `{path}`\n\n{schema['description']}\n"
    table = f"| field | type | required | meaning |\n|---|---|---|---|\n{rows}"
    yield "\n".join(part for part in (text, rules, table) if part)
    for name, field in schema["properties"].items():
        inner, suffix = (field["items"], "[]") if "items" in field else (field, "")
        if "properties" in inner:
            yield from _sections(f"{path}.{name}{suffix}", inner)


def _type(schema: Mapping[str, Any]) -> str:
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return str(schema.get("format") or schema["type"])


def _meaning(schema: Mapping[str, Any]) -> str:
    text = str(schema.get("description", ""))
    bounds = _bounds(schema)
    text += f" {bounds}." if bounds else ""
    if "default" in schema:
        text += f" Default: `{_spelled(schema['default'])}`."
    return text.strip().replace("|", "\\|")


def _bounds(schema: Mapping[str, Any]) -> str:
    if "maxItems" in schema:
        least = f"{schema['minItems']} to" if "minItems" in schema else "At most"
        return f"{least} {schema['maxItems']} items"
    if "maxProperties" in schema:
        return f"At most {schema['maxProperties']} entries"
    if "enum" in schema:
        return f"One of {', '.join(f'`{value}`' for value in schema['enum'])}"
    return ""


def _spelled(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"[{', '.join(default)}]" if isinstance(default, list) else str(default)
