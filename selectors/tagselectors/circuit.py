"""Selectors compiled to a circuit of bitwise gates.

A wire carries one ``int`` whose bit *i* speaks for row *i*, so that one gate decides 64 rows per
machine word. The inputs are *atoms*: "the key has this value" or, for Exists, "the key is there".
Equal gates are built once, whatever selectors need them, and gates are sorted into levels that
depend on earlier ones only: a level is evaluated in one sweep without an interpreted loop.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from .grammar import TagGrammar
from .requirement import Operator, TagSelector
from .selector import Selector, SelectorTerms

_NOTHING, _LIVE = 0, 1
_CONSTANTS = 2
_GATES: tuple[Callable[[int, int], int], ...] = (operator.or_, operator.xor, operator.and_)
_OR, _XOR, _AND = range(len(_GATES))
_REMEMBERED_TAGS = 65_536
_BITS = tuple(1 << bit for bit in range(8))


@dataclass(frozen=True, slots=True)
class Circuit:
    """What :func:`compile_expressions` makes: the same answers as the selectors, for many rows.

    It remembers which atoms a tag sets, for a bounded number of tags.
    """

    grammar: TagGrammar
    atoms: dict[str, dict[str | None, int]]
    atom_count: int
    levels: tuple[tuple[Callable[[int, int], int], list[int], list[int]], ...]
    outputs: list[int]
    _atoms_of_tag: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def evaluate(self, rows: Sequence[Sequence[str]], live: int) -> list[int]:
        """Return per expression, in order, the rows that it selects.

        A row whose bit is not set in ``live`` matches nothing if it has no tags; if it has some,
        its bits mean nothing.
        """
        wires = [_NOTHING, live, *self._inputs(rows)]
        for gate, left, right in self.levels:
            wires += map(gate, map(wires.__getitem__, left), map(wires.__getitem__, right))
        return [wires[output] for output in self.outputs]

    def _inputs(self, rows: Sequence[Sequence[str]]) -> list[int]:
        masks = [0] * self.atom_count
        for atoms, column in self._columns(rows).items():
            mask = int.from_bytes(column, "little")
            for atom in atoms:
                masks[atom] |= mask
        return masks

    def _columns(self, rows: Sequence[Sequence[str]]) -> dict[tuple[int, ...], bytearray]:
        """Return a column of one bit per row for each set of atoms that some tag sets.

        Tags that set the same atoms share a column, so that memory follows what selectors ask
        for, not how many different tags a tailnet has.
        """
        size = len(rows) // 8 + 1
        columns: dict[tuple[int, ...], bytearray] = defaultdict(lambda: bytearray(size))
        of_tag: dict[str, bytearray] = {}
        for (byte, bit), tags in zip(product(range(size), _BITS), rows, strict=False):
            for tag in tags:
                try:  # the hottest line of a full evaluation: asking first would cost a tenth
                    of_tag[tag][byte] |= bit
                except KeyError:
                    column = columns[self._read(tag)]
                    column[byte] |= bit
                    of_tag[tag] = column
        return columns

    def _read(self, tag: str) -> tuple[int, ...]:
        """Return the atoms that a tag sets, numbered from 0."""
        known = self._atoms_of_tag.get(tag)
        if known is None:
            if len(self._atoms_of_tag) >= _REMEMBERED_TAGS:
                self._atoms_of_tag.clear()
            found = []
            for key, value in self.grammar.readings(tag):
                of_key = self.atoms.get(key)
                if of_key:
                    if value in of_key:
                        found.append(of_key[value])
                    if None in of_key:
                        found.append(of_key[None])
            known = self._atoms_of_tag[tag] = tuple(found)
        return known


def compile_expressions(expressions: Iterable[SelectorTerms], grammar: TagGrammar) -> Circuit:
    """Return the circuit with one output per expression, in their order."""
    wiring = _Wiring()
    outputs = [wiring.terms(expression) for expression in expressions]
    return wiring.circuit(outputs, grammar)


class _Wiring:
    """Wires in the order in which they were asked for; each atom and each gate exists once."""

    def __init__(self) -> None:
        self._atoms: dict[str, dict[str | None, int]] = defaultdict(dict)
        self._gates: dict[tuple[int, int, int], int] = {}
        self._depths = [0, 0]

    def terms(self, expression: SelectorTerms) -> int:
        return self._join(_OR, {self._selector(term) for term in expression.terms})

    def _selector(self, selector: Selector) -> int:
        return self._join(_AND, {self._requirement(each) for each in selector.requirements})

    def _requirement(self, requirement: TagSelector) -> int:
        values: tuple[str | None, ...] = requirement.values or (None,)
        positive = self._join(_OR, {self._atom(requirement.key, value) for value in values})
        if requirement.operator in {Operator.IN, Operator.EXISTS}:
            return positive
        return self._gate(_XOR, _LIVE, positive)

    def _atom(self, key: str, value: str | None) -> int:
        of_key = self._atoms[key]
        if value not in of_key:
            of_key[value] = self._wire(depth=0)
        return of_key[value]

    def _join(self, gate: int, wires: set[int]) -> int:
        """Join wires pair by pair, for few levels; sorted, so that more gates are shared."""
        joined = sorted(wires) or [_NOTHING]
        while len(joined) > 1:
            odd = joined[len(joined) & ~1 :]
            pairs = zip(joined[::2], joined[1::2], strict=False)
            joined = [self._gate(gate, left, right) for left, right in pairs] + odd
        return joined[0]

    def _gate(self, gate: int, left: int, right: int) -> int:
        key = (gate, left, right)
        if key not in self._gates:
            self._gates[key] = self._wire(depth=1 + max(self._depths[left], self._depths[right]))
        return self._gates[key]

    def _wire(self, depth: int) -> int:
        self._depths.append(depth)
        return len(self._depths) - 1

    def circuit(self, outputs: Iterable[int], grammar: TagGrammar) -> Circuit:
        """Return the circuit, its wires numbered as they are evaluated: inputs, then by level."""
        sweeps: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
        for (gate, left, right), wire in self._gates.items():
            sweeps[self._depths[wire], gate].append((wire, left, right))
        inputs = [wire for wire, depth in enumerate(self._depths) if not depth]
        order = inputs + [wire for _, gates in sorted(sweeps.items()) for wire, _, _ in gates]
        number = {wire: position for position, wire in enumerate(order)}
        return Circuit(
            grammar=grammar,
            atoms={
                key: {value: number[wire] - _CONSTANTS for value, wire in of_key.items()}
                for key, of_key in self._atoms.items()
            },
            atom_count=len(inputs) - _CONSTANTS,
            levels=tuple(
                (
                    _GATES[gate],
                    [number[left] for _, left, _ in gates],
                    [number[right] for _, _, right in gates],
                )
                for (_, gate), gates in sorted(sweeps.items())
            ),
            outputs=[number[wire] for wire in outputs],
        )
