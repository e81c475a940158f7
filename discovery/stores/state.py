"""The last state on disk: Kubernetes objects as YAML documents, read back and written."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from discovery.stores import StoreError


def read(path: Path) -> list[dict[str, Any]]:
    """Return the objects in a file; none where there is no file. Raises StoreError."""
    content = content_of(path)
    if content is None:
        return []
    try:
        documents = list(yaml.load_all(content, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise unusable(path, "no YAML") from error
    if not all(map(_is_object, documents)):
        raise unusable(path, "no Kubernetes object with name and namespace")
    return documents


def content_of(path: Path) -> bytes | None:
    """Return the bytes of a file; None where there is none. Raises StoreError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"can not read the last state: {error.strerror} ({path}). Make it readable"
        ) from error


def dump(documents: Iterable[Mapping[str, Any]]) -> bytes:
    """Return YAML documents as bytes; the same objects always give the same bytes."""
    text = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        explicit_start=True,
        width=100,
    )
    return text.encode()


def unusable(path: Path, found: str) -> StoreError:
    """Return the error that says that a file of the last state is not what was written."""
    return StoreError(
        f"the last state can not be read: {found} ({path}). Mend the file, or remove the folder "
        "to start anew"
    )


def _is_object(document: object) -> bool:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return isinstance(metadata, dict) and all(
        isinstance(metadata.get(key), str) for key in ("name", "namespace")
    )


class _Dumper(yaml.CSafeDumper):
    """Writes plain documents: no anchors, so that each can be copied out by itself."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
        return True


# Kubernetes reads 1e3 and 0o17 as numbers, PyYAML as text: such text must be quoted.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+)$"),
    list("-+.0123456789"),
)
