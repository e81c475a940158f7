"""One requirement on the tags of a device; the custom resource embeds this very type."""

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any, Self, assert_never

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from . import messages
from .grammar import PREFIX, TagGrammar, is_key, is_value

MAX_VALUES = 64
NO_DECLARED_KEYS = TagGrammar()


class Operator(StrEnum):
    """What a requirement asks of a key, spelled as in Kubernetes."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string", messages.NOT_A_STRING)
    return value


def _key(value: Any) -> str:
    key = _string(value)
    if key.startswith(PREFIX):
        raise PydanticCustomError("key", messages.KEY_WITH_PREFIX)
    if not is_key(key):
        raise PydanticCustomError("key", messages.KEY_RULE)
    return key


def _operator(value: Any) -> Operator:
    try:
        return Operator(value)
    except ValueError:
        raise PydanticCustomError("operator", messages.OPERATOR_RULE) from None


def _value(value: Any) -> str:
    text = _string(value)
    if not is_value(text):
        raise PydanticCustomError("value", messages.VALUE_RULE)
    return text


def _values(values: Any) -> Any:
    if not isinstance(values, list | tuple):
        raise PydanticCustomError("values", messages.VALUES_ARE_A_LIST)
    if len(values) > MAX_VALUES:
        raise PydanticCustomError("values", messages.TOO_MANY_VALUES)
    return values


class TagSelector(BaseModel):
    """A key, an operator and, under In and NotIn, values; the value ``""`` is the bare tag.

    Several tags of one key give it several values: In asks that one of them is listed, NotIn that
    none is, so that a device without the key matches NotIn, as in Kubernetes. Exists asks for the
    key with or without a value, and DoesNotExist is its negation. ``str()`` is kubectl's syntax.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, BeforeValidator(_key)]
    operator: Annotated[Operator, BeforeValidator(_operator)]
    values: Annotated[
        tuple[Annotated[str, BeforeValidator(_value)], ...], BeforeValidator(_values)
    ] = ()

    @model_validator(mode="after")
    def _operator_suits_values(self) -> Self:
        takes_values = self.operator in {Operator.IN, Operator.NOT_IN}
        if takes_values and not self.values:
            message = messages.NEEDS_VALUES.format(operator=self.operator)
            raise PydanticCustomError("operator_values", message)
        if self.values and not takes_values:
            message = messages.TAKES_NO_VALUES.format(operator=self.operator)
            raise PydanticCustomError("operator_values", message)
        return self

    def matches(self, tags: Collection[str], grammar: TagGrammar = NO_DECLARED_KEYS) -> bool:
        """Return whether a device with these tags meets the requirement."""
        found = grammar.values_of(self.key, tags)
        match self.operator:
            case Operator.IN:
                return not found.isdisjoint(self.values)
            case Operator.NOT_IN:
                return found.isdisjoint(self.values)
            case Operator.EXISTS:
                return bool(found)
            case Operator.DOES_NOT_EXIST:
                return not found
            case _:
                assert_never(self.operator)

    def __str__(self) -> str:
        match self.operator:
            case Operator.IN if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case Operator.IN:
                return f"{self.key} in ({','.join(self.values)})"
            case Operator.NOT_IN if len(self.values) == 1:
                return f"{self.key}!={self.values[0]}"
            case Operator.NOT_IN:
                return f"{self.key} notin ({','.join(self.values)})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case _:
                assert_never(self.operator)
