"""What pydantic finds wrong, said as ``WHAT (WHERE). WHAT TO DO`` without repeating a secret."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from discovery.settings.environment import TAILSCALE_VARIABLES, known_variables
from discovery.settings.errors import closest, problem
from discovery.settings.tailnet import CredentialSettings
from discovery.settings.tree import Path, Tree, spelled

_LONGEST_QUOTE: Final = 60
_OUTSIDE: Final = ("is outside 1 to 100", "Write a number within.")  # percent, or a count
_WRONG_TYPE: Final[Mapping[str, tuple[str, str]]] = {
    "model_type": ("is no mapping", "Write its keys below it, indented."),
    "tuple_type": ("is no list", "Write one entry in each line, after a dash."),
    "string_type": ("is no text", "Put it in quotes."),
    "path_type": ("is no path", "Put it in quotes."),
    "string_pattern_mismatch": ("has a form that is not allowed", "Write one word."),
    "int_type": ("is no number", "Write a whole number."),
    "int_parsing": ("is no number", "Write a whole number."),
    "int_from_float": ("is no whole number", "Write a whole number."),
    "int_parsing_size": ("is too large", "Write a smaller number."),
    "finite_number": ("is no number", "Write a whole number."),
    "greater_than_equal": _OUTSIDE,
    "less_than_equal": _OUTSIDE,
    "too_short": ("is an empty list", "Leave the key out, or name something."),
}
_WRITE_INTO: Final = {
    "name": "Write what spec.tailnet of the resources says, as in company.ts.net."
}


def problems_of(error: ValidationError, tree: Tree) -> list[str]:
    """Return one line for each thing that is wrong, in the order of the keys."""
    found = error.errors(include_url=False)
    return [_line(one, tree) for one in found if not _follows_from_another(one, found)]


def _follows_from_another(one: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """Tell whether the value is only wrong because another one is."""
    if one["type"] == "default_factory_not_called":
        return True
    depth = len(one["loc"])
    return one["type"] == "too_short" and any(
        len(other["loc"]) > depth and other["loc"][:depth] == one["loc"] for other in found
    )


def _line(found: ErrorDetails, tree: Tree) -> str:
    path, kind = found["loc"], found["type"]
    context = found.get("ctx", {})
    where = tree.origin(path)
    name = spelled(path)
    match kind:
        case "extra_forbidden":
            return problem(f"unknown key {name}", where, _known(path))
        case "missing":
            advice = _WRITE_INTO.get(str(path[-1]), "Write it.")
            return problem(f"{name} is missing", where, advice)
        case "enum":
            return _not_one_of(found, where)
        case "refused":
            subject = _quoted(found) if path else ""
            return problem(f"{subject} {context['what']}".strip(), where, context["advice"])
        case "half_credentials" | "mixed_credentials":
            return _credentials(kind, path, context, tree)
        case _:
            what, advice = _WRONG_TYPE.get(kind, ("can not be used", "See the reference."))
            return problem(f"{_quoted(found)} {what}", where, advice)


def _quoted(found: ErrorDetails) -> str:
    """Name the key, and its value where that is short and can be no secret."""
    path, value = found["loc"], found["input"]
    if {"credentials", "baseURL"} & set(path) or not isinstance(value, str | int | float):
        return spelled(path)
    text = f'"{value}"' if isinstance(value, str) else str(value)
    shown = len(text) <= _LONGEST_QUOTE and text.isprintable()
    return f"{spelled(path)}: {text}" if shown else spelled(path)


def _not_one_of(found: ErrorDetails, where: str) -> str:
    allowed = re.findall(r"'([^']+)'", found.get("ctx", {}).get("expected", ""))
    value = found["input"]
    meant = closest(value, allowed) if isinstance(value, str) else None
    advice = f"Did you mean {meant}? " if meant else ""
    return problem(f"{_quoted(found)} is unknown", where, f"{advice}Use {_either(allowed)}.")


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _known(path: Path) -> str:
    keys = sorted(_section_keys(path[:-1]))
    meant = closest(str(path[-1]), keys)
    return f"Did you mean {meant}?" if meant else f"Known here: {', '.join(keys)}."


def _section_keys(path: Path) -> set[str]:
    """Return the keys that may stand at ``path``, read off the variables that set them."""
    wanted = tuple("N" if isinstance(step, int) else step for step in path)
    length = len(wanted)
    return {
        str(variable.path[length])
        for variable in known_variables()
        if variable.path[:length] == wanted and len(variable.path) > length
    }


def _credentials(kind: str, path: Path, context: Mapping[str, Any], tree: Tree) -> str:
    given = [_variable(path, name, tree) for name in context["given"]]
    if kind == "mixed_credentials":
        what = f"{' and '.join(given)} are set together"
        return problem(what, spelled(path), "Keep one: an API key, an OAuth client or a folder.")
    lacking = _variable(path, context["lacks"], tree, like=context["given"][0])
    return problem(f"{given[0]} is set without {lacking}", spelled(path), f"Set {lacking} too.")


def _variable(path: Path, attribute: str, tree: Tree, like: str = "") -> str:
    """Return the name under which a credential is given, or would be beside ``like``."""
    key = _alias(CredentialSettings, attribute)
    origin = tree.origin((*path, _alias(CredentialSettings, like or attribute)))
    by_key = {step[-1]: name for name, step in TAILSCALE_VARIABLES.items()}
    if origin.startswith("TS_"):
        return by_key.get(key, attribute)
    if attribute == "directory":
        return f"the directory in {origin}"
    index = next((step for step in path if isinstance(step, int)), 0)
    return f"TAILNET_DISCOVERY_TAILNETS_{index}_CREDENTIALS_{attribute.upper()}"


def _alias(model: type[BaseModel], attribute: str) -> str:
    return model.model_fields[attribute].alias or attribute
