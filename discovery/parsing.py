"""From a plain value, as YAML or the API server has it, to a resource, or to what is wrong with it.

Pure: :mod:`discovery.manifests` reads the files. Messages are those of the types and of the CRD;
what pydantic says of its own is put into the same words here.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from discovery.crd import object_schema
from discovery.findings import Finding, Path
from discovery.rules import NOT_UNIQUE, repeated
from discovery.v1alpha1 import (
    API_VERSION,
    BOTH_SELECTORS,
    GROUP,
    KIND,
    NAME_NEEDS_SERVICE_NAME,
    NO_SOURCE,
    PLURAL,
    TailscaleEndpoints,
    is_service_name,
)

METADATA_FIELDS: Final = (
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Every field of Kubernetes' ObjectMeta, so that a misspelt one is noticed."""


class InvalidResourceError(ValueError):
    """An object that is no valid TailscaleEndpoints; ``findings`` say everything that is wrong."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(findings)
        self.findings = findings

    def __str__(self) -> str:
        return "; ".join(map(str, self.findings))


def parse_object(raw: Mapping[str, Any]) -> TailscaleEndpoints:
    """Return the resource that an object is; raise InvalidResourceError with everything wrong."""
    version = raw.get("apiVersion")
    if version != API_VERSION:
        raise InvalidResourceError((Finding(("apiVersion",), _wrong_version(version)),))
    try:
        return TailscaleEndpoints.model_validate(raw)
    except ValidationError as error:
        found = [finding for each in error.errors() for finding in _findings(each)]
        found += across_fields(raw)
        raise InvalidResourceError(tuple(dict.fromkeys(found))) from None


def across_fields(raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what breaks a rule on several fields, however wrong the single fields are.

    Pydantic comes to such rules only once every field is right, and a user wants to know at once.
    """
    spec, metadata = raw.get("spec"), raw.get("metadata")
    if not isinstance(spec, Mapping):
        return
    present = {name for name, value in spec.items() if value is not None}
    if not present & {"endpoints", "tagSelectors", "tagSelectorTerms"}:
        yield Finding(("spec",), NO_SOURCE)
    if {"tagSelectors", "tagSelectorTerms"} <= present:
        yield Finding(("spec", "tagSelectorTerms"), BOTH_SELECTORS)
    yield from _not_unique(spec, object_schema()["properties"]["spec"], ("spec",))
    service = spec.get("service")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    named = isinstance(service, Mapping) and service.get("name")
    if isinstance(name, str) and not named and not is_service_name(name):
        yield Finding(("metadata", "name"), NAME_NEEDS_SERVICE_NAME)


def unknown_fields(raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding for each field that no version of the API knows, and for each empty one."""
    schema = object_schema()["properties"]
    yield from _unknown(raw, ("apiVersion", "kind", "metadata", "spec", "status"), ())
    if isinstance(metadata := raw.get("metadata"), Mapping):
        yield from _unknown(metadata, METADATA_FIELDS, ("metadata",))
    yield from _below(raw.get("spec"), schema["spec"], ("spec",))


def is_ours(raw: Mapping[str, Any]) -> bool:
    """Tell whether an object is meant to be a TailscaleEndpoints of our group, at any version."""
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str | None):
        return False
    nearly = kind.lower() in {PLURAL, PLURAL.removesuffix("s")}
    return kind == KIND or (nearly and (version or "").startswith(f"{GROUP}/"))


def _below(value: object, schema: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    if isinstance(value, Mapping) and "properties" in schema:
        properties = schema["properties"]
        yield from _unknown(value, properties, path)
        for name, field in value.items():
            if name in properties:
                yield from _below(field, properties[name], (*path, name))
                if field is None:
                    yield Finding((*path, name), "is empty, and counts as absent")
    elif isinstance(value, list) and "items" in schema:
        for at, item in enumerate(value):
            yield from _below(item, schema["items"], (*path, at))


def _not_unique(value: object, schema: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        for name, below in schema.get("properties", {}).items():
            yield from _not_unique(value.get(name), below, (*path, name))
    if isinstance(value, list) and "x-kubernetes-list-map-keys" in schema:
        (key,) = schema["x-kubernetes-list-map-keys"]
        names = [item.get(key) if isinstance(item, Mapping) else None for item in value]
        for at in repeated([name if isinstance(name, str) else n for n, name in enumerate(names)]):
            yield Finding((*path, at, key), NOT_UNIQUE)


def _unknown(value: Mapping[str, Any], known: Any, path: Path) -> Iterator[Finding]:
    for name in value:
        if name not in known:
            yield Finding(
                (*path, name), f"is no field of this API, and is ignored{meant(name, known)}"
            )


def meant(word: str, known: Any) -> str:
    """Return ``; did you mean X?`` where a known word is near, else nothing."""
    folded = {each.casefold(): each for each in known}
    near = get_close_matches(word.casefold(), folded, n=1)
    return f"; did you mean {folded[near[0]]}?" if near else ""


def _wrong_version(version: object) -> str:
    found = f"{version!r} " if isinstance(version, str) else ""
    if isinstance(version, str) and version.startswith(f"{GROUP}/"):
        return f"{found}is a version that is not served: write {API_VERSION}"
    return f"{found}is not the version of {KIND}: write {API_VERSION}"


def _findings(error: ErrorDetails) -> Iterator[Finding]:
    path = tuple(step for step in error["loc"] if step != "[key]")
    if error["type"] == "operator_values":
        path = (*path, "values")
    context = error.get("ctx", {})
    message = _message(error)
    if not context.get("at"):
        yield Finding(path, message)
    for below in context.get("at", ()):
        steps = below.replace("[", ".[").strip(".").split(".")
        inner = (int(s.strip("[]")) if s.startswith("[") else s for s in steps)
        yield Finding((*path, *inner), message)


def _message(error: ErrorDetails) -> str:
    sentence = _SENTENCES.get(error["type"])
    return sentence(error) if sentence else error["msg"]


def _not_text(error: ErrorDetails) -> str:
    value = error["input"]
    if isinstance(value, bool):
        return f'must be a string: write it in quotes, "{str(value).lower()}"'
    if isinstance(value, int | float):
        return f'must be a string: write it in quotes, "{value}"'
    return "must be a string"


def _not_whole(error: ErrorDetails) -> str:
    value = error["input"]
    if isinstance(value, str) and value.isdecimal():
        return f"must be a whole number: write it without quotes, {value}"
    return "must be a whole number"


def _not_in_set(error: ErrorDetails) -> str:
    expected = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
    value = error["input"]
    near = meant(value, expected.split(", ")) if isinstance(value, str) else ""
    return f"must be one of {expected}{near}"


def _count(error: ErrorDetails, key: str, bound: str) -> str:
    number = error["ctx"][key]
    thing = "character" if error["type"].startswith("string") else "item"
    return f"must have at {bound} {number} {thing}{'' if number == 1 else 's'}"


_SENTENCES: Final[dict[str, Callable[[ErrorDetails], str]]] = {
    "missing": lambda _: "is required",
    "string_type": _not_text,
    "string_unicode": lambda _: "must be a string of valid characters",
    "int_type": _not_whole,
    "int_parsing": _not_whole,
    "int_from_float": _not_whole,
    "bool_type": lambda _: "must be true or false, without quotes",
    "bool_parsing": lambda _: "must be true or false, without quotes",
    "dict_type": lambda _: "must be a mapping",
    "model_type": lambda _: "must be a mapping",
    "model_attributes_type": lambda _: "must be a mapping",
    "tuple_type": lambda _: "must be a list",
    "time_delta_type": lambda _: 'must be a duration in text, such as "30s"',
    "enum": _not_in_set,
    "literal_error": _not_in_set,
    "greater_than_equal": lambda error: f"must be at least {error['ctx']['ge']}",
    "less_than_equal": lambda error: f"must be at most {error['ctx']['le']}",
    "string_too_short": lambda error: _count(error, "min_length", "least"),
    "string_too_long": lambda error: _count(error, "max_length", "most"),
    "too_short": lambda error: _count(error, "min_length", "least"),
    "too_long": lambda error: _count(error, "max_length", "most"),
}
