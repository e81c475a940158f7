"""What users read about the settings, written from the models: the table and the JSON schema.

``python -m discovery.settings.reference table|schema`` prints them; a test holds the committed
files to that.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import PydanticUndefined

from discovery.settings.environment import Variable, known_variables
from discovery.settings.loading import ENVIRONMENT_ONLY
from discovery.settings.model import Settings
from discovery.settings.section import Section
from discovery.settings.tree import spelled

_DROPPED: Final = frozenset({"default", "title"})
_KEYWORDS: Final = {"ge": "minimum", "le": "maximum"}  # pydantic's own words get through at times
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def table() -> str:
    """Return the Markdown table of all keys, with default, variable and meaning."""
    rows = ["| key | default | variable | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{_key(variable)}` | {_default(model, attribute)} | `{variable.name}` "
        f"| {model.model_fields[attribute].description} |"
        for variable, (model, attribute) in zip(known_variables(), _fields(Settings), strict=True)
    ]
    return "\n".join(rows) + "\n"


def schema() -> str:
    """Return the JSON schema of the configuration file, for editors and pipelines."""
    document = Settings.model_json_schema(by_alias=True)
    credentials = document["$defs"]["CredentialSettings"]["properties"]
    for key in ENVIRONMENT_ONLY:
        del credentials[key]
    document = _without_defaults(document)
    document = {"$schema": _DRAFT, **document, "title": "tailnet-discovery configuration"}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _without_defaults(node: Any) -> Any:
    """Drop defaults: pydantic writes some of them in a form that the file does not have."""
    if isinstance(node, dict):
        return {
            _KEYWORDS.get(k, k): _without_defaults(v) for k, v in node.items() if k not in _DROPPED
        }
    return [_without_defaults(entry) for entry in node] if isinstance(node, list) else node


def _key(variable: Variable) -> str:
    return spelled(variable.path).replace(".N", "[N]")


def _fields(model: type[Section]) -> Iterator[tuple[type[Section], str]]:
    """Yield (model, attribute) of every value, in the order of :func:`known_variables`."""
    for attribute, section in model.sections().items():
        if section is None:
            yield model, attribute
        else:
            yield from _fields(section)


def _default(model: type[Section], attribute: str) -> str:
    field = model.model_fields[attribute]
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return ""
    shown: Any = model.model_construct(**{attribute: field.default}).model_dump(
        mode="json", include={attribute}
    )[attribute]
    return "" if shown in (None, [], "") else f"`{shown}`"


def main() -> None:
    """Print one of the two."""
    sys.stdout.write({"table": table, "schema": schema}[sys.argv[1]]())


if __name__ == "__main__":
    main()
