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

from discovery.manifests import Manifest, Problem, load
from discovery.plan.announcements import Announcement
from discovery.plan.changes import Change
from discovery.plan.guard import APPROVAL_ANNOTATION
from discovery.plan.slices import EndpointSlice
from discovery.stores import Children, StoreError
from discovery.stores.approval import annotated, with_approval
from discovery.stores.files import remove_unfinished, replace_all
from discovery.stores.state import content_of, dump, read, unusable
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
    without state needs. Problems of the manifests are kept in ``problems``, and in ``unreadable``
    the error of each resource whose last state can not be read: its edit waits for that.
    """

    def __init__(self, manifests: Iterable[Path], out: Path | None) -> None:
        self.problems: tuple[Problem, ...] = ()
        self.unreadable: dict[Key, StoreError] = {}
        self._paths = tuple(manifests)
        self._out = out
        self._resources: dict[Key, TailscaleEndpoints] = {}
        self._manifests: dict[Key, Manifest] = {}
        self._staged: dict[Path, bytes | None] = {}
        self._reported: dict[Key, TailscaleEndpoints] = {}
        self._signature: object = None

    def lock(self) -> TextIO | None:
        """Take ``out`` for this process; None where another process has it.

        The lock ends with the returned file or the process, whichever ends first. What a process
        that was killed had not finished is removed.
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
        remove_unfinished(out)
        return file

    def keys(self) -> set[Key]:
        """Return every key that has a manifest, or something left in ``out``."""
        return self._manifests.keys() | (self._left() - self.unreadable.keys())

    def refresh(self) -> set[Key]:
        """Read the manifests again where a file changed; return the keys that came, changed, went.

        Where a document can not be read, no resource counts as gone: each keeps what was last read.
        """
        signature = _signature(self._paths)
        if signature == self._signature:
            return set()
        loaded, before = load(self._paths), self._manifests
        if before:
            _log_problems(set(loaded.problems) - set(self.problems))
        self.problems = loaded.problems
        found = {manifest.resource.key: manifest for manifest in loaded.resources}
        if any(problem.is_error for problem in loaded.problems):
            found = before | found
        changed = {key for key, new in found.items() if before.get(key) != new}
        failed = self._remember(found[key] for key in sorted(changed))
        for key in failed:
            found.pop(key)
        found |= {key: before[key] for key in failed.keys() & before.keys()}
        changed -= failed.keys()
        gone = (before.keys() | self._left()) - found.keys() - failed.keys()
        self._manifests, self.unreadable = found, failed
        for key in gone:
            self._resources.pop(key, None)
        # What could not be read is looked at again the next time, edited or not.
        self._signature = None if failed else signature
        return changed | gone

    def get(self, key: Key) -> TailscaleEndpoints | None:
        """Return the resource with its last status, or None when no manifest has it."""
        if key not in self._resources and key in self.unreadable:
            raise self.unreadable[key]
        return self._resources.get(key)

    def last(self, key: Key) -> TailscaleEndpoints | None:
        """Return the resource as ``status.yaml`` has it, None where there is none."""
        path = None if self._out is None else self._path(self._out, key, STATUS_FILE)
        if path is None or not (documents := read(path)):
            return None
        try:
            return TailscaleEndpoints.model_validate(documents[0])
        except ValueError as error:
            raise unusable(path, "not what was written there") from error

    async def children(self, key: Key) -> Children:
        """Read what is in ``out`` for the resource."""
        if self._out is None:
            return Children()
        slices = self._path(self._out, key, SLICES_FILE)
        try:
            parsed = tuple(map(EndpointSlice.parse, read(slices)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise unusable(slices, f"no EndpointSlice: {error}") from error
        return Children(tuple(read(self._path(self._out, key, SERVICE_FILE))), parsed)

    async def known_nodes(self, keys: Iterable[Key]) -> set[str]:
        """Return the node IDs that the slices of these resources know: the last good state."""
        return {
            endpoint.node_id
            for key in keys
            for held in (await self.children(key)).slices
            for endpoint in held.endpoints
            if endpoint.node_id
        }

    async def apply(self, key: Key, groups: Sequence[Sequence[Change]]) -> None:
        """Stage the files as they are after all the changes; :meth:`flush` writes them."""
        out = self._required_out()
        changes = [change for group in groups for change in group]
        for file, kind in ((SERVICE_FILE, "Service"), (SLICES_FILE, "EndpointSlice")):
            path = self._path(out, key, file)
            of_kind = [change for change in changes if change.kind == kind]
            if not of_kind:
                continue
            objects: dict[str, Mapping[str, Any]] = {
                document["metadata"]["name"]: document for document in read(path)
            }
            for change in of_kind:
                if change.after is None:
                    objects.pop(change.name, None)
                else:
                    objects[change.name] = change.after
            self._stage(path, [objects[name] for name in sorted(objects)])

    async def report(self, key: Key, status: TailscaleEndpointsStatus) -> None:
        """Stage ``status.yaml``: the manifest as written, with uid, generation and status.

        The one annotation that tells an approval is there only where :meth:`approve` gave it: one
        that is taken out of the manifest is withdrawn.
        """
        resource, manifest = self._resources[key], self._manifests[key]
        raw, given = manifest.raw, None
        if APPROVAL_ANNOTATION not in manifest.resource.metadata.annotations:
            given = resource.metadata.annotations.get(APPROVAL_ANNOTATION)
        metadata = {
            **annotated(raw["metadata"], given),
            "namespace": key.namespace,
            "uid": resource.metadata.uid,
            "generation": resource.metadata.generation,
        }
        document = {
            **raw,
            "metadata": metadata,
            "status": status.to_object(),
        }
        self._stage(self._path(self._required_out(), key, STATUS_FILE), [document])
        self._reported[key] = resource.model_copy(update={"status": status})

    async def approve(self, key: Key, approval: str) -> None:
        """Write an approval into ``status.yaml``, where the next process finds it. Needs the lock.

        Raises StoreError where nothing is known of the resource any more.
        """
        path = self._path(self._required_out(), key, STATUS_FILE)
        if not (documents := read(path)):
            raise StoreError(f"nothing is known of {key} any more ({path}). Look again")
        metadata = annotated(documents[0]["metadata"], approval)
        self._stage(path, [{**documents[0], "metadata": metadata}])
        await self.flush()

    async def remove(self, key: Key) -> None:
        """Stage the removal of the status of a resource that has no manifest any more."""
        self._stage(self._path(self._required_out(), key, STATUS_FILE), [])

    async def flush(self) -> None:
        """Write what is staged: everything, or, where the disk refuses, nothing."""
        staged, self._staged = self._staged, {}
        reported, self._reported = self._reported, {}
        try:
            replace_all(staged)
        except OSError as error:
            raise _not_written(error, self._required_out()) from error
        self._resources.update(reported)

    def announce(self, key: Key, said: Announcement) -> None:
        """Log it: a folder has no events."""
        extra = {"resource": str(key), "reason": said.reason, "note": said.note}
        log.log(logging.WARNING if said.is_warning else logging.INFO, "announced", extra=extra)

    def _required_out(self) -> Path:
        if self._out is None:
            raise StoreError("nothing can be written without an output folder")
        return self._out

    def _path(self, out: Path, key: Key, file: str) -> Path:
        return out / key.namespace / key.name / file

    def _stage(self, path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
        content = dump(documents) if documents else None
        if content_of(path) != content:
            self._staged[path] = content

    def _left(self) -> set[Key]:
        if self._out is None:
            return set()
        return {
            Key(path.parent.parent.name, path.parent.name)
            for file in (SERVICE_FILE, SLICES_FILE, STATUS_FILE)
            for path in self._out.glob(f"*/*/{file}")
        }

    def _remember(self, manifests: Iterable[Manifest]) -> dict[Key, StoreError]:
        """Join manifests with their last state; return the errors of those that have none."""
        failed = {}
        for manifest in manifests:
            key = manifest.resource.key
            try:
                self._resources[key] = self._with_memory(manifest)
            except StoreError as error:
                failed[key] = error
        for key in sorted(failed.keys() - self.unreadable.keys()) if self._manifests else ():
            extra = {"resource": str(key), "problem": str(failed[key])}
            log.error("manifest not taken", extra=extra)
        return failed

    def _with_memory(self, manifest: Manifest) -> TailscaleEndpoints:
        """Give a manifest the uid, generation and status that it has in a cluster.

        The generation moves when the spec does, told by the spec in the last ``status.yaml``.
        """
        resource, key = manifest.resource, manifest.resource.key
        generation, status = 1, None
        if (last := self.last(key)) is not None:
            generation = last.metadata.generation + (last.spec != resource.spec)
            status = last.status
            resource = with_approval(resource, last.metadata)
        uid = str(uuid5(_UIDS, f"{key}"))
        metadata = resource.metadata.model_copy(update={"uid": uid, "generation": generation})
        return resource.model_copy(update={"metadata": metadata, "status": status})


def _log_problems(problems: Iterable[Problem]) -> None:
    for problem in sorted(problems, key=str):
        level = logging.ERROR if problem.is_error else logging.WARNING
        log.log(level, "manifest problem", extra={"problem": str(problem)})


def _signature(paths: Iterable[Path]) -> object:
    """Return a value that changes when a manifest is edited, added or removed."""
    return tuple(sorted(_stat(file) for path in paths for file in (path, *path.rglob("*"))))


def _stat(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, -1)
    return (str(path), found.st_mtime_ns, found.st_size)


def _not_written(error: OSError, out: Path) -> StoreError:
    reason = error.strerror or type(error).__name__
    advice = "Nothing was changed; make room there, or make it writable"
    return StoreError(f"can not write the output: {reason} ({error.filename or out}). {advice}")
