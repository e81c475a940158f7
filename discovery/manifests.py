"""Manifests: the TailscaleEndpoints in files and folders, with every problem and its place.

Reading never raises for what a user can write: what is wrong becomes a :class:`Problem`. Only
:func:`load` touches files; :func:`parse_text` and :func:`parse_document` are pure.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any, Final

from discovery.documents import Document, Fault, read_documents
from discovery.findings import Finding
from discovery.findings import Path as FieldPath
from discovery.parsing import (
    InvalidResourceError,
    is_ours,
    parse_object,
    unknown_fields,
)
from discovery.v1alpha1 import Key, TailscaleEndpoints
from discovery.v1alpha1_warnings import warnings_of

MAX_BYTES: Final = 8 * 1024 * 1024
SUFFIXES: Final = (".yaml", ".yml", ".json")
STDIN: Final = Path("-")


class Severity(StrEnum):
    """How bad a problem is: an error makes its document useless, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file, in one line.

    ``document`` counts from 1 within the file and is 0 where the file as a whole is meant;
    ``resource`` is ``namespace/name`` and ``field`` such as ``spec.endpoints[2].tailscaleIP``, both
    empty where unknown. ``unreadable`` says that a path could not be read at all.
    """

    severity: Severity
    path: str
    document: int
    line: int | None
    resource: str
    field: str
    message: str
    unreadable: bool = False

    @property
    def is_error(self) -> bool:
        """Whether the problem is more than a warning."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        where = ", ".join(
            part for part in (f"document {self.document}", self.resource) if self.document and part
        )
        subject = f"{self.field}: " if self.field else ""
        text = f"{place}: {self.severity}: {subject}{self.message}{where and f' ({where})'}"
        # A key of the user's file may hold line breaks, or what a terminal obeys.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A valid resource, the object as the user wrote it, and where it stands."""

    resource: TailscaleEndpoints
    raw: Mapping[str, Any]
    path: str
    document: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What manifests hold: resources by key, problems by place, and how many documents are others'.

    ``ignored`` counts documents of other kinds.
    """

    resources: tuple[Manifest, ...] = ()
    problems: tuple[Problem, ...] = ()
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a document: its file, its number from 1, and the lines of its paths."""

    path: str
    document: int = 1
    line_of: Callable[[FieldPath], int | None] = lambda _: None

    def problem(self, finding: Finding, severity: Severity, resource: str = "") -> Problem:
        """Return the problem that a finding in this document is."""
        line, field = self.line_of(finding.path), finding.field
        return Problem(severity, self.path, self.document, line, resource, field, finding.message)

    def refused(self, path: FieldPath, message: str) -> Loaded:
        """Return the one error that makes this document useless."""
        return Loaded(problems=(self.problem(Finding(path, message), Severity.ERROR),))

    def below(self, item: int) -> "Where":
        """Return the place of an item of a List in this document."""
        return replace(self, line_of=lambda path: self.line_of(("items", item, *path)))


def load(paths: Iterable[Path | str]) -> Loaded:
    """Load manifests from files, folders (with what is below them) and ``-``, standard input.

    Hidden files and folders are left out, and a file that is reached twice is read once. Of two
    documents with the same namespace and name the first counts.
    """
    seen: set[Path] = set()
    parts: list[Loaded] = []
    for found in (found for path in paths for found in _files(Path(path))):
        if isinstance(found, Problem):
            parts.append(Loaded(problems=(found,)))
        elif found.absolute() not in seen:
            seen.add(found.absolute())
            parts.append(_load_file(found))
    return _without_duplicates(_joined(parts))


def parse_text(text: str, path: str) -> Loaded:
    """Parse every document of a text; ``path`` is what problems call the place."""
    return _joined(_parse(each, path) for each in read_documents(text))


def parse_document(raw: object, where: Where) -> Loaded:
    """Parse one document: a resource, or a List of objects; objects of other kinds are ignored."""
    if not isinstance(raw, Mapping):
        return where.refused((), "must be an object with apiVersion, kind, metadata and spec")
    kind, items = raw.get("kind"), raw.get("items")
    if not isinstance(kind, str) or not kind:
        return where.refused(("kind",), "is required in every document")
    if kind.endswith("List") and isinstance(items, list):
        return _joined(parse_document(item, where.below(at)) for at, item in enumerate(items))
    return _parse_ours(raw, where) if is_ours(raw) else Loaded(ignored=1)


def _parse_ours(raw: Mapping[str, Any], where: Where) -> Loaded:
    name = _name(raw)
    unknown = [where.problem(f, Severity.WARNING, name) for f in unknown_fields(raw)]
    try:
        resource = parse_object(raw)
    except InvalidResourceError as invalid:
        errors = [where.problem(f, Severity.ERROR, name) for f in invalid.findings]
        return Loaded(problems=_by_place([*errors, *unknown]))
    doubtful = [where.problem(f, Severity.WARNING, name) for f in warnings_of(resource)]
    manifest = Manifest(resource, raw, where.path, where.document)
    return Loaded((manifest,), _by_place([*unknown, *doubtful]))


def _name(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str):
        return ""
    namespace = metadata.get("namespace")
    return f"{namespace if isinstance(namespace, str) else 'default'}/{metadata['name']}"


def _by_place(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort the problems of one document as a reader meets them; those without a line come first."""
    return tuple(sorted(problems, key=lambda p: (p.line or 0, p.severity, p.field, p.message)))


def _parse(part: Document | Fault, path: str) -> Loaded:
    where = Where(path, part.number)
    if isinstance(part, Document):
        return parse_document(part.value, replace(where, line_of=part.line_of))
    return replace(where, line_of=lambda _: part.line).refused(part.path, part.message)


def _joined(parts: Iterable[Loaded]) -> Loaded:
    parts = tuple(parts)
    return Loaded(
        tuple(chain.from_iterable(part.resources for part in parts)),
        tuple(chain.from_iterable(part.problems for part in parts)),
        sum(part.ignored for part in parts),
    )


def _without_duplicates(loaded: Loaded) -> Loaded:
    """Keep the first manifest of each key; the later ones become errors that name both places."""
    first: dict[Key, Manifest] = {}
    problems = list(loaded.problems)
    for manifest in loaded.resources:
        kept = first.setdefault(manifest.resource.key, manifest)
        if kept is not manifest:
            message = f"is there already: {kept.path} (document {kept.document}) has the same name"
            where = Where(manifest.path, manifest.document)
            finding = Finding(("metadata", "name"), message)
            problems.append(where.problem(finding, Severity.ERROR, str(manifest.resource.key)))
    return Loaded(tuple(first[key] for key in sorted(first)), tuple(problems), loaded.ignored)


def _files(path: Path) -> Iterator[Path | Problem]:
    """Yield the files to read under a path, sorted, or why there are none."""
    try:
        is_folder = path != STDIN and path.is_dir()
    except OSError as error:
        yield _unreadable(path, _reason(error))
        return
    if not is_folder:
        yield path
        return
    refused: list[OSError] = []
    files: list[Path] = []
    for folder, below, names in os.walk(path, onerror=refused.append):
        below[:] = [name for name in below if not name.startswith(".")]
        inside = (Path(folder, name) for name in names if not name.startswith("."))
        files += [file for file in inside if file.suffix in SUFFIXES]
    for refusal in refused:
        yield _unreadable(Path(refusal.filename or path), _reason(refusal))
    if not files and not refused:
        yield _unreadable(path, f"holds no file that ends in {', '.join(SUFFIXES)}")
    yield from sorted(files)


def _load_file(path: Path) -> Loaded:
    name = "standard input" if path == STDIN else str(path)
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return Loaded(problems=(_unreadable(Path(name), _reason(error)),))
    if len(content) > MAX_BYTES:
        message = f"is larger than {MAX_BYTES // 2**20} MiB: split it, or name the right file"
        return Where(name, 0).refused((), message)
    try:
        return parse_text(content.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        return Where(name, 0).refused((), f"is no UTF-8 text: byte {error.start} is wrong")


def _reason(error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"can not be read: {reason or type(error).__name__}"


def _unreadable(path: Path, message: str) -> Problem:
    return Problem(Severity.ERROR, str(path), 0, None, "", "", message, unreadable=True)
