"""A cache of one kind of objects in a cluster, kept by a watch and by the answers to our writes.

Our own writes are known from their answers, so that a pass never acts on what it knows to be old;
what the watch says of them later is no news. Versions are compared as numbers, as Kubernetes
allows (KEP-5504 "Comparable Resource Version"; etcd's are revisions).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from discovery.plan.owner import FIELD_MANAGER

T = TypeVar("T")


def claim_of(metadata: Mapping[str, Any]) -> int | None:
    """Return where managedFields has an entry of ours that is not one of server-side apply.

    A POST leaves one. While it stands, a field that is applied no more would stay for ever.
    """
    for place, entry in enumerate(metadata.get("managedFields") or ()):
        is_ours = entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")
        if is_ours and entry.get("operation") == "Update":
            return place
    return None


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """What is kept of one object.

    ``claim`` is the place in managedFields of an entry of ours that is not one of server-side
    apply; None where there is none.
    """

    namespace: str
    name: str
    uid: str
    version: int
    deleting: bool
    claim: int | None
    value: T

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


class Cache(Generic[T]):
    """Objects by place, and by every handle that ``handles`` gives them.

    ``read`` makes of an object what is kept of it. ``changed`` is told of what others did: the
    object as it was and as it is, None where there is none.
    """

    def __init__(
        self,
        read: Callable[[Mapping[str, Any]], T],
        handles: Callable[[Held[T]], Iterable[Hashable]],
        changed: Callable[[Held[T] | None, Held[T] | None], None],
    ) -> None:
        self._read = read
        self._handles = handles
        self._changed = changed
        self._held: dict[tuple[str, str], Held[T]] = {}
        self._by_handle: dict[Hashable, set[tuple[str, str]]] = {}
        self._ended: set[str] = set()
        self._ours: set[int] = set()  # versions of answers that the watch has still to tell of
        self._told = 0  # the newest version that the watch, or a list, has told of

    def __iter__(self) -> Iterator[Held[T]]:
        return iter(self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    def get(self, namespace: str, name: str) -> Held[T] | None:
        """Return the object, or None where there is none."""
        return self._held.get((namespace, name))

    def find(self, handle: Hashable) -> list[Held[T]]:
        """Return the objects with this handle, by place."""
        return [self._held[place] for place in sorted(self._by_handle.get(handle, ()))]

    def put(self, obj: Mapping[str, Any]) -> Held[T]:
        """Take the answer to a write of ours, unless its end was told already; it is no news."""
        item = self.project(obj)
        known = self._held.get(item.place)
        if known.version < item.version if known else self._told < item.version:
            self._store(item)
            self._ours.add(item.version)
        return item

    def find_out(self, obj: Mapping[str, Any]) -> None:
        """Take what a read has found, which may be an object that the watch does not select."""
        item = self.project(obj)
        known = self._held.get(item.place)
        if known is None or known.version < item.version:
            self._store(item)

    def drop(self, namespace: str, name: str, uid: str) -> None:
        """Take note that an object is gone since a write of ours ended it; it is no news.

        One that is known to be ending waits for somebody else: its end will be told.
        """
        known = self._held.get((namespace, name))
        if known is not None and known.uid == uid and not known.deleting:
            self._forget(known)
            self._ended.add(uid)

    # The handler of a watch:

    def project(self, obj: Mapping[str, Any]) -> Held[T]:
        """Return what is kept of an object."""
        metadata = obj["metadata"]
        return Held(
            metadata.get("namespace", ""),
            metadata["name"],
            metadata["uid"],
            int(metadata["resourceVersion"]),
            metadata.get("deletionTimestamp") is not None,
            claim_of(metadata),
            self._read(obj),
        )

    def replace(self, items: list[Held[T]]) -> None:
        """Take a complete list as it is: what is not in it is gone.

        So is what is newer here. Either a backup was restored, whose versions are older, or a write
        of ours came in between, and the watch that follows the list tells of it again.
        """
        listed = {item.place for item in items}
        for known in [held for place, held in self._held.items() if place not in listed]:
            self._forget(known)
            self._changed(known, None)
        self._ended.clear()
        self._ours.clear()
        told, self._told = self._told, max((item.version for item in items), default=0)
        for item in items:
            held = self._held.get(item.place)
            is_new = held is None or (held.uid, held.version) != (item.uid, item.version)
            if is_new:
                self._store(item)
            # Of the answer to a write of ours nobody was told, nor of what others did before it.
            if is_new or item.version > told:
                self._changed(held, item)

    def upsert(self, item: Held[T]) -> None:
        """Take an object that came or changed.

        Where a write of ours is newer, what others did before it is in its answer too, and is told.
        """
        is_ours = item.version in self._ours
        self._note(item)
        known = self._held.get(item.place)
        if known is not None and known.version >= item.version:
            if known.version > item.version and not is_ours:
                self._changed(known, known)
            return
        if item.uid in self._ended and not item.deleting:
            return
        self._store(item)
        self._changed(known, item)

    def remove(self, item: Held[T]) -> None:
        """Take note that an object is gone."""
        self._note(item)
        self._ended.discard(item.uid)
        known = self._held.get(item.place)
        if known is not None and known.uid == item.uid:
            self._forget(known)
            self._changed(known, None)

    def _note(self, item: Held[T]) -> None:
        """Take note of how far the watch is, which tells of versions in their order."""
        self._told = max(self._told, item.version)
        self._ours = {version for version in self._ours if version > self._told}

    def _store(self, item: Held[T]) -> None:
        known = self._held.get(item.place)
        if known is not None:
            self._forget(known)
        self._held[item.place] = item
        for handle in self._handles(item):
            self._by_handle.setdefault(handle, set()).add(item.place)

    def _forget(self, known: Held[T]) -> None:
        del self._held[known.place]
        for handle in self._handles(known):
            places = self._by_handle[handle]
            places.discard(known.place)
            if not places:
                del self._by_handle[handle]
