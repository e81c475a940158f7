"""Many selectors against many devices: evaluated once, then again only where tags changed."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import compress
from typing import Generic, TypeVar

from .circuit import Circuit, compile_expressions
from .grammar import TagGrammar
from .requirement import NO_DECLARED_KEYS
from .selector import SelectorTerms

K = TypeVar("K", bound=Hashable)
ID = TypeVar("ID", bound=Hashable)

_SPARSE = 64  # below one bit in so many, looking for each beats unpacking all (measured)
_TRUTH = bytes.maketrans(b"01", b"\0\1")


class TagIndex(Generic[K, ID]):
    """Which devices each expression selects; an expression has a name, a device an ID.

    Each device has a slot, and each expression an ``int`` whose bit *i* says that it selects the
    device in slot *i*. A changed device leaves its slot, which is dead from then on, and takes a
    new one at the end: the changed devices of an update are evaluated together, as they were and
    as they are, and the result is put behind each mask. So the cost follows the change, apart from
    two operations on a long int per expression. When more slots are dead than live, all are
    assigned and evaluated anew.
    """

    def __init__(
        self, expressions: Mapping[K, SelectorTerms], grammar: TagGrammar = NO_DECLARED_KEYS
    ) -> None:
        self._grammar = grammar
        self._expressions = dict(expressions)
        self._circuit: Circuit | None = compile_expressions(expressions.values(), grammar)
        self._masks = dict.fromkeys(self._expressions, 0)
        self._ids: list[ID] = []
        self._tags: list[tuple[str, ...]] = []
        self._slots: dict[ID, int] = {}
        self._live = 0

    def load(self, tag_sets: Mapping[ID, Sequence[str]]) -> None:
        """Replace all devices and evaluate every expression on them."""
        self._ids = list(tag_sets)
        self._tags = list(map(tuple, tag_sets.values()))
        self._slots = dict(zip(self._ids, range(len(self._ids)), strict=True))
        self._live = _ones(len(self._ids))
        masks = self._compiled().evaluate(self._tags, self._live)
        self._masks = dict(zip(self._expressions, masks, strict=True))

    def update(self, changed: Mapping[ID, Sequence[str] | None]) -> set[K]:
        """Add, change and (with None) remove devices; return whose set of devices changed.

        Devices that kept their tags cost next to nothing, so that a whole list may be given.
        """
        arriving: dict[ID, tuple[str, ...]] = {}
        leaving: list[ID] = []
        for device, given in changed.items():
            slot = self._slots.get(device)
            if given is None:
                if slot is not None:
                    leaving.append(device)
            elif slot is None or self._tags[slot] != tuple(given):
                arriving[device] = tuple(given)
        if not arriving and not leaving:
            return set()
        touched = self._evaluate(arriving, leaving)
        self._move(arriving, leaving)
        if len(self._ids) > 2 * len(self._slots):
            self.load({device: self._tags[slot] for device, slot in self._slots.items()})
        return touched

    def define(self, changed: Mapping[K, SelectorTerms | None]) -> None:
        """Add, replace and (with None) remove expressions.

        Each call reads the tags of all devices once, however many expressions it holds: give it
        many at a time.
        """
        for name, terms in changed.items():
            if terms is None:
                self._expressions.pop(name, None)
                self._masks.pop(name, None)
        fresh = {name: terms for name, terms in changed.items() if terms is not None}
        circuit = compile_expressions(fresh.values(), self._grammar)
        self._expressions.update(fresh)
        self._masks.update(zip(fresh, circuit.evaluate(self._tags, self._live), strict=True))
        self._circuit = None

    def count(self, name: K) -> int:
        """Return how many devices the expression selects. Raises KeyError for an unknown name."""
        return (self._masks[name] & self._live).bit_count()

    def matches(self, name: K) -> list[ID]:
        """Return the devices that the expression selects. Raises KeyError for an unknown name."""
        return _chosen(self._ids, self._masks[name] & self._live)

    def _compiled(self) -> Circuit:
        """Return the circuit of all expressions; after a definition it is made when needed."""
        if self._circuit is None:
            self._circuit = compile_expressions(self._expressions.values(), self._grammar)
        return self._circuit

    def _evaluate(self, arriving: Mapping[ID, tuple[str, ...]], leaving: Sequence[ID]) -> set[K]:
        """Put what arrives behind each mask; return the expressions that select other devices.

        Each of the devices has two rows: one with the tags that it had, one with those it has.
        """
        devices = [*arriving, *leaving]
        width = len(devices)
        slots = [self._slots.get(device) for device in devices]
        before = [() if slot is None else self._tags[slot] for slot in slots]
        had_slot = sum(1 << row for row, slot in enumerate(slots) if slot is not None)
        live = had_slot | _ones(len(arriving)) << width
        end, low = len(self._ids), _ones(width)
        touched: set[K] = set()
        results = self._compiled().evaluate([*before, *arriving.values()], live)
        for (name, mask), result in zip(self._masks.items(), results, strict=True):
            if result:
                now = result >> width
                if now:
                    self._masks[name] = mask | now << end
                if now != result & low:
                    touched.add(name)
        return touched

    def _move(self, arriving: Mapping[ID, tuple[str, ...]], leaving: Sequence[ID]) -> None:
        dead = bytearray(len(self._ids) // 8 + 1)
        for device in (*arriving, *leaving):
            slot = self._slots.pop(device, None)
            if slot is not None:
                dead[slot >> 3] |= 1 << (slot & 7)
        end = len(self._ids)
        self._live ^= int.from_bytes(dead, "little")
        self._live |= _ones(len(arriving)) << end
        self._slots.update(zip(arriving, range(end, end + len(arriving)), strict=True))
        self._ids += arriving
        self._tags += arriving.values()


def _ones(count: int) -> int:
    return (1 << count) - 1


def _chosen(ids: Sequence[ID], mask: int) -> list[ID]:
    """Return the IDs at the bits of ``mask``, in the order of their slots."""
    text = format(mask, "b")[::-1]
    if mask.bit_count() * _SPARSE > len(ids):
        return list(compress(ids, text.encode().translate(_TRUTH)))
    chosen = []
    position = text.find("1")
    while position >= 0:
        chosen.append(ids[position])
        position = text.find("1", position + 1)
    return chosen
