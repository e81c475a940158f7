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
        """Take the answer to a write or a read of ours; it is no news."""
        item = self.project(obj)
        known = self._held.get(item.place)
        if known is None or known.version < item.version:
            self._store(item)
        return item

    def drop(self, namespace: str, name: str, uid: str) -> None:
        """Take note that an object is gone since a write of ours ended it; it is no news."""
        known = self._held.get((namespace, name))
        if known is not None and known.uid == uid:
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
        """Take a complete list: what is not in it is gone."""
        listed = {item.place for item in items}
        for known in [held for place, held in self._held.items() if place not in listed]:
            self._forget(known)
            self._changed(known, None)
        self._ended.clear()
        for item in items:
            self.upsert(item)

    def upsert(self, item: Held[T]) -> None:
        """Take an object that came or changed, unless a write of ours is newer."""
        known = self._held.get(item.place)
        if known is not None and known.version >= item.version:
            return
        if item.uid in self._ended and not item.deleting:
            return
        self._store(item)
        self._changed(known, item)

    def remove(self, item: Held[T]) -> None:
        """Take note that an object is gone."""
        self._ended.discard(item.uid)
        known = self._held.get(item.place)
        if known is not None and known.uid == item.uid:
            self._forget(known)
            self._changed(known, None)

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
