"""What all mappings of the configuration file have in common."""

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """A mapping of the configuration file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,  # a value may be a secret in the wrong place
    )

    @classmethod
    def children(cls) -> dict[str, tuple[Any, bool]]:
        """Return each attribute's type without optional and list, and whether it is a list."""
        return {name: _inner(field.annotation) for name, field in cls.model_fields.items()}

    @classmethod
    def sections(cls) -> dict[str, "type[Section] | None"]:
        """Return for each attribute the section that it holds, None where it is a plain value."""
        kinds = {name: kind for name, (kind, _) in cls.children().items()}
        return {name: kind if _is_section(kind) else None for name, kind in kinds.items()}


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _inner(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in {Union, UnionType}:
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    if get_origin(annotation) is tuple and get_args(annotation)[1:] == (...,):
        return get_args(annotation)[0], True
    return annotation, False
