"""The directory store: manifests in, YAML files out, and no cluster anywhere.

``OUT/NAMESPACE/NAME/`` holds ``service.yaml``, ``endpointslices.yaml`` (one document per slice) and
``status.yaml`` (the object with its status). The files are the memory: a restart continues from
them, as a controller continues from its cluster.
"""

import fcntl
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID, uuid5

import yaml

from discovery.manifests import Manifest, Problem, load
from discovery.plan.changes import Change
from discovery.plan.slices import EndpointSlice
from discovery.stores import Children, StoreError
from discovery.stores.files import replace_all
from discovery.v1alpha1 import Key, TailscaleEndpoints
from discovery.v1alpha1_status import TailscaleEndpointsStatus

log = logging.getLogger(__name__)

SERVICE_FILE = "service.yaml"
SLICES_FILE = "endpointslices.yaml"
STATUS_FILE = "status.yaml"

_UIDS = UUID("6f1d5b0c-2f7e-5a3a-9d0a-0c6a8f0f2b11")  # any constant: it makes uids of names


class DirectoryStore:
    """Resources from manifests (files or folders) and their children in ``out``.

    ``out`` may be None: then nothing exists and nothing can be written, which is what a plan
    without state needs. Problems of the manifests are kept in ``problems``.
    """

    def __init__(self, manifests: Iterable[Path], out: Path | None) -> None:
        self.problems: tuple[Problem, ...] = ()
        self._paths = tuple(manifests)
        self._out = out
        self._resources: dict[Key, TailscaleEndpoints] = {}
        self._manifests: dict[Key, Manifest] = {}
        self._staged: dict[Path, bytes | None] = {}
        self._signature: object = None

    def lock(self) -> TextIO | None:
        """Take ``out`` for this process; None where another process has it.

        The lock ends with the returned file or the process, whichever ends first.
        """
        out = self._required_out()
        try:
            out.mkdir(parents=True, exist_ok=True)
            file = (out / ".lock").open("w")
        except OSError as error:
            raise _not_written(error, out) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def keys(self) -> set[Key]:
        """Return every key that has a manifest, or something left in ``out``."""
        return self._manifests.keys() | self._left()

    def refresh(self) -> set[Key]:
        """Read the manifests again where a file changed; return the keys that came, changed, went.

        Where a document can not be read, no resource counts as gone: each keeps what was last read.
        """
        signature = _signature(self._paths)
        if signature == self._signature:
            return set()
        self._signature = signature
        loaded = load(self._paths)
        self.problems = loaded.problems
        found = {manifest.resource.key: manifest for manifest in loaded.resources}
        if any(problem.is_error for problem in loaded.problems):
            found = self._manifests | found
        before = self._manifests
        changed = {key for key, new in found.items() if key not in before or before[key] != new}
        gone = (before.keys() | self._left()) - found.keys()
        self._manifests = found
        for key in changed:
            self._resources[key] = self._with_memory(found[key])
        for key in gone:
            self._resources.pop(key, None)
        return changed | gone

    def get(self, key: Key) -> TailscaleEndpoints | None:
        """Return the resource with its last status, or None when no manifest has it."""
        return self._resources.get(key)

    async def children(self, key: Key) -> Children:
        """Read what is in ``out`` for the resource."""
        services = self._read(self._path(key, SERVICE_FILE))
        slices = self._read(self._path(key, SLICES_FILE))
        try:
            return Children(tuple(services), tuple(map(EndpointSlice.parse, slices)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _not_ours(self._path(key, SLICES_FILE), f"no EndpointSlice: {error}") from error

    async def known_nodes(self, keys: Iterable[Key]) -> set[str]:
        """Return the node IDs that the slices of these resources know: the last good state."""
        return {
            endpoint.node_id
            for key in keys
            for held in (await self.children(key)).slices
            for endpoint in held.endpoints
            if endpoint.node_id
        }

    async def apply(self, key: Key, changes: Sequence[Change]) -> None:
        """Stage the files as they are after all the changes; :meth:`flush` writes them."""
        for file, kind in ((SERVICE_FILE, "Service"), (SLICES_FILE, "EndpointSlice")):
            path = self._path(key, file)
            of_kind = [change for change in changes if change.kind == kind]
            if path is None or not of_kind:
                continue
            objects: dict[str, Mapping[str, Any]] = {
                document["metadata"]["name"]: document for document in self._read(path)
            }
            for change in of_kind:
                if change.after is None:
                    objects.pop(change.name, None)
                else:
                    objects[change.name] = change.after
            self._stage(path, [objects[name] for name in sorted(objects)])

    async def report(self, key: Key, status: TailscaleEndpointsStatus) -> None:
        """Stage ``status.yaml``: the manifest as written, with uid, generation and status."""
        resource, raw = self._resources[key], self._manifests[key].raw
        metadata = {
            **raw["metadata"],
            "namespace": key.namespace,
            "uid": resource.metadata.uid,
            "generation": resource.metadata.generation,
        }
        document = {
            **raw,
            "metadata": metadata,
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        self._resources[key] = resource.model_copy(update={"status": status})
        path = self._path(key, STATUS_FILE)
        if path is not None:
            self._stage(path, [document])

    async def remove(self, key: Key) -> None:
        """Stage the removal of the files of a resource that has no manifest any more."""
        for file in (SERVICE_FILE, SLICES_FILE, STATUS_FILE):
            path = self._path(key, file)
            if path is not None and path.exists():
                self._stage(path, [])

    async def flush(self) -> None:
        """Write what is staged: everything, or, where the disk refuses, nothing."""
        staged, self._staged = self._staged, {}
        try:
            replace_all(staged)
        except OSError as error:
            raise _not_written(error, self._required_out()) from error

    def _required_out(self) -> Path:
        if self._out is None:
            raise StoreError("nothing can be written without an output folder")
        return self._out

    def _path(self, key: Key, file: str) -> Path | None:
        return None if self._out is None else self._out / key.namespace / key.name / file

    def _stage(self, path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
        content = dump(documents) if documents else None
        if content is None or _bytes(path) != content:
            self._staged[path] = content

    def _left(self) -> set[Key]:
        if self._out is None:
            return set()
        return {
            Key(path.parent.parent.name, path.parent.name)
            for path in self._out.glob(f"*/*/{STATUS_FILE}")
        }

    def _with_memory(self, manifest: Manifest) -> TailscaleEndpoints:
        """Give a manifest the uid, generation and status that it has in a cluster.

        The generation moves when the spec does, told by the spec in the last ``status.yaml``.
        """
        resource, key = manifest.resource, manifest.resource.key
        path = self._path(key, STATUS_FILE)
        documents = self._read(path)
        generation, status = 1, None
        if documents:
            try:
                last = TailscaleEndpoints.model_validate(documents[0])
            except ValueError as error:
                raise _not_ours(path, "not what was written there") from error
            generation = last.metadata.generation + (last.spec != resource.spec)
            status = last.status
        uid = str(uuid5(_UIDS, f"{key}"))
        metadata = resource.metadata.model_copy(update={"uid": uid, "generation": generation})
        return resource.model_copy(update={"metadata": metadata, "status": status})

    def _read(self, path: Path | None) -> list[dict[str, Any]]:
        content = None if path is None else _bytes(path)
        if path is None or content is None:
            return []
        try:
            documents = list(yaml.load_all(content, Loader=yaml.CSafeLoader))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _not_ours(path, "no YAML") from error
        if not all(isinstance(d, dict) and isinstance(d.get("metadata"), dict) for d in documents):
            raise _not_ours(path, "no Kubernetes object")
        return documents


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


class _Dumper(yaml.CSafeDumper):
    """Writes plain documents: no anchors, so that each can be copied out by itself."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
        return True


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"can not read the last state: {error.strerror} ({path}). Make it readable"
        ) from error


def _signature(paths: Iterable[Path]) -> object:
    """Return a value that changes when a manifest is edited, added or removed."""
    return tuple(sorted(_stat(file) for path in paths for file in (path, *path.rglob("*"))))


def _stat(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, -1)
    return (str(path), found.st_mtime_ns, found.st_size)


def _not_ours(path: Path | None, found: str) -> StoreError:
    return StoreError(
        f"the last state can not be read: {found} ({path}). Mend the file, or remove the folder "
        "to start anew"
    )


def _not_written(error: OSError, out: Path) -> StoreError:
    reason = error.strerror or type(error).__name__
    return StoreError(f"can not write the output: {reason} ({error.filename or out})")
