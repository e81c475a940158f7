"""Replaying: each recorded decision is made again from its inputs, and compared byte for byte.

Nothing but the records is read: no network, no configuration, no clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from discovery.plan.passes import plan_pass, plan_removal
from discovery.plan.slices import EndpointSlice
from discovery.recorder.lists import RecordedList, follow
from discovery.recorder.redaction import redacted_text
from discovery.recorder.ring import FORMAT, encoded
from discovery.recorder.values import (
    changes_value,
    outcome_value,
    restored_inputs,
    status_after,
)
from discovery.v1alpha1 import Key

Record = Mapping[str, Any]


class ForeignFormatError(Exception):
    """The records were written by a version that records otherwise."""


@dataclass(slots=True)
class Replayed:
    """A recorded decision, and what came of making it again.

    ``outcome`` is the recorded one, ``again`` the new one, None where it could not be made for the
    reason in ``problem``. ``failure`` says why its changes were not all written, where that is so.
    """

    time: datetime
    resource: Key
    version: str
    outcome: Record
    again: Record | None = None
    problem: str = ""
    failure: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reproduced(self) -> bool:
        """Whether both are the same bytes."""
        return self.again is not None and encoded(self.again) == encoded(self.outcome)

    @property
    def removed(self) -> list[Record]:
        """The losses that it carried out, unless a write failed."""
        observed_only = self.outcome.get("sync") == "ObserveOnly"
        return [] if observed_only else list(self.outcome.get("released", ()))

    @property
    def held(self) -> list[Record]:
        """The losses that it held."""
        return list(self.outcome.get("held", ()))

    @property
    def differences(self) -> list[str]:
        """Where the two outcomes differ, as paths into them."""
        return [] if self.again is None else sorted(_differences(self.outcome, self.again, ""))


def replay(records: Iterable[Record]) -> Iterator[Replayed]:
    """Make every recorded decision again, in order. Raises ForeignFormatError."""
    lists: dict[str, RecordedList] = {}
    last: dict[str, Replayed] = {}
    version = ""
    for record in records:
        match record["kind"]:
            case "ring":
                version = record["version"]
                lists.clear()
                if record["format"] != FORMAT:
                    raise ForeignFormatError(f"format {record['format']} of version {version}")
            case "list":
                follow(lists, record)
            case "failure" if record["resource"] in last:
                last[record["resource"]].failure = record["problem"]
            case "pass" | "end":
                made = _replayed(record, lists, version)
                last[record["resource"]] = made
                yield made


def _replayed(record: Record, lists: Mapping[str, RecordedList], version: str) -> Replayed:
    namespace, _, name = record["resource"].partition("/")
    time = msgspec.convert(record["time"], datetime)
    made = Replayed(time, Key(namespace, name), version, record["outcome"])
    made.answers = record["inputs"].get("evidence", {}).get("answers", {})
    try:
        again = (
            _ended(record, made.resource) if record["kind"] == "end" else _decided(record, lists)
        )
    except LookupError as lost:
        made.problem = str(lost.args[0])
    except (ValueError, TypeError) as error:
        made.problem = f"the inputs can not be read: {error}"
    else:
        # What was recorded went through the same.
        made.again = msgspec.json.decode(redacted_text(encoded(again)))
    return made


def _decided(record: Record, lists: Mapping[str, RecordedList]) -> dict[str, Any]:
    reference = record["inputs"]["list"]
    listed = None
    if reference is not None:
        listed = lists.get(reference["tailnet"])
        if listed is None or listed.digest != reference["digest"]:
            raise LookupError("its device list is not recorded")
    inputs = restored_inputs(record["inputs"], listed)
    made = plan_pass(inputs)
    return outcome_value(made, status_after(made, inputs.now))


def _ended(record: Record, key: Key) -> dict[str, Any]:
    inputs = record["inputs"]
    slices = msgspec.convert(inputs["slices"], tuple[EndpointSlice, ...])
    changes = plan_removal(key, inputs["services"], slices, inputs["instance"], inputs["uid"])
    return {"changes": changes_value(changes)}


def _differences(one: Any, other: Any, path: str) -> Iterator[str]:
    if one == other:
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in one.keys() | other.keys():
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, f"{path}[{index}]")
    else:
        yield path
