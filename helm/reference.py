"""The chart's JSON schema and the table of its values, both written from ``values.yaml``.

``python -m helm.reference`` writes ``values.schema.json`` and the tables in
``docs/reference/chart.md``; a test holds the committed files to that. What a value may be follows
from its default, its ``# @schema`` comment, or, for the keys that the configuration file has too,
from the program's own settings.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import yaml

from discovery.settings import Settings
from discovery.settings.reference import schema as settings_schema

CHART: Final = Path(__file__).parent / "tailnet-discovery"
PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "chart.md"

# Helm 3.17 knows no newer draft, and ignores keywords it does not know.
_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_TYPES: Final = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
_DROPPED: Final = frozenset({"$defs", "$ref", "default", "format", "title"})
_OF_THE_POD: Final = "pod"  # set by the downward API, never by a user
_UMBRELLA: Final = {
    "global": {"type": "object", "description": "What a parent chart shares with all of its own."},
    "enabled": {"type": "boolean", "description": "A condition of a parent chart; not read here."},
}
_WIDEST_DEFAULT: Final = 60
_BEGIN: Final = "<!-- values: written by make chart -->\n"
_END: Final = "<!-- end of values -->\n"


@dataclass(frozen=True, slots=True)
class Value:
    """A value that users set: where it stands, what it is by default, what is said about it."""

    path: tuple[str, ...]
    default: Any
    section: str
    description: str
    narrowed: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the value."""
        kind = {"type": _TYPES[type(self.default)]}
        return {"description": self.description, **kind, **self.narrowed}


def values(text: str) -> list[Value]:
    """Return every value of a ``values.yaml``; ValueError where one is not described."""
    node = yaml.compose(text)
    if not isinstance(node, yaml.MappingNode):
        raise TypeError("values.yaml is no mapping")
    return list(_values(node, (), text.splitlines(), yaml.safe_load(text)))


def _values(
    node: yaml.MappingNode, above: tuple[str, ...], lines: list[str], defaults: dict[str, Any]
) -> Iterator[Value]:
    for key, below in node.value:
        path = (*above, str(key.value))
        default = defaults[key.value]
        comment = _comment(lines, key.start_mark.line)
        description, _, narrowed = comment.partition("@schema ")
        if description:
            section = _section(lines, key.start_mark.line)
            yield Value(path, default, section, description.strip(), yaml.safe_load(narrowed) or {})
        elif isinstance(below, yaml.MappingNode) and below.value:
            yield from _values(below, path, lines, default)
        else:
            raise ValueError(f"{'.'.join(path)} has no description in values.yaml")


def _comment(lines: list[str], line: int) -> str:
    """Return the description above a line, in one line; empty where there is none."""
    words: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("# "):
        line -= 1
        word = lines[line].lstrip().removeprefix("# ")
        if word.startswith("-- "):
            return " ".join([word.removeprefix("-- "), *words])
        words.insert(0, word)
    return ""


def _section(lines: list[str], line: int) -> str:
    titles = (re.fullmatch(r"# @section (.+)", above) for above in reversed(lines[:line]))
    return next((title[1] for title in titles if title), "")


def schema(text: str) -> str:
    """Return the JSON schema of a ``values.yaml``."""
    root = _closed()
    for value in values(text):
        node = root
        for step in value.path[:-1]:
            node = node["properties"].setdefault(step, _closed())
        node["properties"][value.path[-1]] = value.schema
    root["properties"] |= _configuration(root["properties"]) | _UMBRELLA
    document = {"$schema": _DRAFT, "title": "Values of the chart tailnet-discovery", **root}
    return json.dumps(document, indent=2) + "\n"


def _closed() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _configuration(described: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of the keys that the configuration file has too."""
    document = json.loads(settings_schema())
    properties = _named(document["properties"], document["$defs"])
    properties.pop(_OF_THE_POD)
    if missing := sorted(properties.keys() - described.keys()):
        raise ValueError(f"values.yaml lacks {', '.join(missing)} of the configuration file")
    tailnet = properties["tailnets"]["items"]["properties"]
    tailnet["name"]["minLength"] = 1
    tailnet["credentials"]["properties"]["secretName"] = {
        "type": "string",
        "minLength": 1,
        "description": "A Secret of the release's namespace, which the chart mounts.",
    }
    return {
        key: {"description": described[key].get("description", Settings.__doc__)} | properties[key]
        for key in properties
    }


def _draft07(node: Any, definitions: dict[str, Any]) -> Any:
    """Put definitions in the place of references, beside which draft-07 ignores all else."""
    if isinstance(node, list):
        return [_draft07(entry, definitions) for entry in node]
    if not isinstance(node, dict):
        return node
    target = definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else {}
    kept = {key: below for key, below in {**target, **node}.items() if key not in _DROPPED}
    return {
        key: _named(below, definitions) if key == "properties" else _draft07(below, definitions)
        for key, below in kept.items()
    }


def _named(properties: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    # Names of properties, which may be words that the schema has a meaning for.
    return {name: _draft07(below, definitions) for name, below in properties.items()}


def tables(text: str) -> str:
    """Return a Markdown table of the values for each section of a ``values.yaml``."""
    parts = []
    for section, members in groupby(values(text), key=lambda value: value.section):
        rows = [
            f"| `{'.'.join(value.path)}` | {_shown(value.default)} | {value.description} |"
            for value in members
        ]
        head = [f"### {section}", "", "| value | default | meaning |", "|---|---|---|"]
        parts.append("\n".join([*head, *rows]))
    return "\n\n".join(parts) + "\n"


def _shown(default: Any) -> str:
    text = json.dumps(default)
    return f"`{text}`" if len(text) <= _WIDEST_DEFAULT else "see `values.yaml`"


def page(text: str, current: str) -> str:
    """Return the chart's reference page with the tables of a ``values.yaml`` in their place."""
    before, _, rest = current.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n{tables(text)}\n{_END}{after}"


def main() -> None:
    """Write both files."""
    text = (CHART / "values.yaml").read_text()
    (CHART / "values.schema.json").write_text(schema(text))
    PAGE.write_text(page(text, PAGE.read_text()))


if __name__ == "__main__":
    main()
