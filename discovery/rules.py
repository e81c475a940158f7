"""Rules of the API, each stated once: its message, its check in Python, its form in the CRD.

A :class:`Rule` is put into a type's ``Annotated``. Pydantic then runs the check, and the schema of
the CRD gets the keywords (a pattern, or a CEL expression), so that a user reads the same sentence
whether the API server, the offline validation or the controller refuses the value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

CEL_RULES = "x-kubernetes-validations"
NOT_UNIQUE = "must be unique in its list"


def violation(message: str, *at: str) -> PydanticCustomError:
    """Return the error that a broken rule raises.

    ``at`` are the paths of the wrong values below the value that was checked, such as ``values`` or
    ``[2].name``; without any, the checked value itself is wrong.
    """
    return PydanticCustomError("rule", "{message}", {"message": message, "at": at})


def cel(expression: str, message: str, *, field: str = "", reason: str = "Invalid") -> Any:
    """Return a CEL rule of the CRD; ``field`` is the path that the API server names as wrong."""
    rule = {"rule": expression, "message": message, "reason": f"FieldValue{reason}"}
    return rule | ({"fieldPath": f".{field}"} if field else {})


@dataclass(frozen=True, eq=False)
class Rule:
    """A check of one value, which is true where the value is good."""

    message: str
    holds: Callable[[Any], bool]
    keywords: Mapping[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        known = handler(schema)
        rules = [*known.get(CEL_RULES, ()), *self.keywords.get(CEL_RULES, ())]
        return {**known, **self.keywords, **({CEL_RULES: rules} if rules else {})}

    def _checked(self, value: Any) -> Any:
        if not self.holds(value):
            raise violation(self.message)
        return value


def pattern_rule(pattern: str, message: str) -> Rule:
    """Return the rule that a string has a form; ``pattern`` is RE2 and anchored at both ends."""
    form = re.compile(pattern.removeprefix("^").removesuffix("$"), re.ASCII)
    return Rule(message, lambda text: form.fullmatch(text) is not None, {"pattern": pattern})


def cel_rule(message: str, holds: Callable[[Any], bool], expression: str) -> Rule:
    """Return a rule that the API server evaluates as a CEL expression over ``self``."""
    return Rule(message, holds, {CEL_RULES: [cel(expression, message)]})


@dataclass(frozen=True)
class UniqueBy:
    """The rule that no two objects of a list have the same value of ``key`` (a list map)."""

    key: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        map_of = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}
        return {**handler(schema), **map_of}

    def _checked(self, items: Sequence[Any]) -> Sequence[Any]:
        again = repeated([getattr(item, self.key) for item in items])
        if again:
            raise violation(NOT_UNIQUE, *(f"[{at}].{self.key}" for at in again))
        return items


# Pydantic's own bound also speaks of a list that is full of wrong items.
NOT_EMPTY = Rule("must have at least 1 item", bool, {"minItems": 1})

UNIQUE_ITEMS = Rule(
    "must not list a value twice",
    lambda items: not repeated(items),
    {"x-kubernetes-list-type": "set"},
)


def repeated(items: Sequence[Any]) -> list[int]:
    """Return the positions, from 0, of the items that stand further up in the list already."""
    seen: set[Any] = set()
    again = []
    for position, item in enumerate(items):
        if item in seen:
            again.append(position)
        seen.add(item)
    return again
