"""Replaying: each recorded decision is made again from its inputs, and compared byte for byte.

Nothing but the records is read: no network, no configuration, no clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
    inputs: Record
    outcome: Record
    again: Record | None = None
    problem: str = ""
    failure: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether both are the same bytes."""
        return self.again is not None and encoded(self.again) == encoded(self.outcome)

    @property
    def removed(self) -> list[Record]:
        """The endpoints that it took out of slices, each with the cause of its loss."""
        if self.observed_only:
            return []
        known = {loss["name"]: loss for loss in self.outcome.get("released", ())}
        gone = self._names() - self._names_after()
        return [known.get(name) or {"name": name, **self._other_cause} for name in sorted(gone)]

    @property
    def observed_only(self) -> bool:
        """Whether it only said what it would change."""
        return self.outcome.get("sync") == "ObserveOnly"

    @property
    def _other_cause(self) -> dict[str, str]:
        sync = self.outcome.get("sync")
        cause = "ResourceDeleted" if sync is None else sync
        return {"cause": cause, "detail": ""}

    def _names(self) -> set[str]:
        return {e["name"] for one in self.inputs["slices"] for e in one["endpoints"]}

    def _names_after(self) -> set[str]:
        changed = {c["name"]: c["after"] for c in self.outcome["changes"] if _is_slice(c)}
        kept = (one for one in self.inputs["slices"] if one["name"] not in changed)
        new = (one for one in changed.values() if one is not None)
        return {e["name"] for one in kept for e in one["endpoints"]} | {
            e["hostname"] for one in new for e in one["endpoints"]
        }

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
                    raise ForeignFormatError(f"format {record['format']}, of version {version}")
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
    made = Replayed(time, Key(namespace, name), version, record["inputs"], record["outcome"])
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


def _is_slice(change: Record) -> bool:
    return bool(change["kind"] == "EndpointSlice")


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
