"""Changes: the writes that a pass wants, in the order in which no endpoint is ever missing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What a write does to its object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One write of one object.

    ``before`` is the object as it was, with its uid and resourceVersion (None for a create);
    ``after`` is all that is to be applied, with the uid of an object that exists (None for a
    delete). ``needs`` names objects of the same kind whose earlier writes in the same changes must
    have been acknowledged: where one of them failed, or was itself left out, this write is left
    out too. ``reason`` is one sentence for people.
    """

    action: Action
    kind: str
    namespace: str
    name: str
    reason: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """The writes of a pass, in three phases; false where there is nothing to write.

    ``gains`` need nothing and may run side by side; ``losses`` take away, and are to be carried out
    in their order; ``deletes`` come last and may run side by side.
    """

    gains: tuple[Change, ...] = ()
    losses: tuple[Change, ...] = ()
    deletes: tuple[Change, ...] = ()

    def __iter__(self) -> Iterator[Change]:
        yield from self.gains
        yield from self.losses
        yield from self.deletes

    def __len__(self) -> int:
        return len(self.gains) + len(self.losses) + len(self.deletes)

    @property
    def groups(self) -> tuple[tuple[Change, ...], ...]:
        """The writes in groups: each begins when the one before it has been answered.

        The writes of one group may run side by side.
        """
        apart = (self.gains, *((loss,) for loss in self.losses), self.deletes)
        return tuple(group for group in apart if group)

    @property
    def counts(self) -> dict[Action, int]:
        """How many writes there are of each action; actions without a write are not in it."""
        return dict(Counter(change.action for change in self))
