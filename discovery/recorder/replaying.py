"""Replaying: each recorded decision is made again from its inputs, and compared byte for byte.

Nothing but the records is read: no network, no configuration, no clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from discovery.plan.losses import RemovalCause
from discovery.plan.observed import Sync
from discovery.plan.passes import plan_pass, plan_removal
from discovery.plan.slices import EndpointSlice
from discovery.recorder.lists import RecordedList, follow
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


class DamagedRecordError(Exception):
    """A record is not what was written: somebody has changed it."""


@dataclass(slots=True)
class Replayed:
    """A recorded decision, and what came of making it again.

    ``removed`` are the endpoints that it took out of slices, each with the cause of its loss, and
    ``held`` those that it kept for a reason. ``changes`` are its writes without their objects;
    ``is_observed`` says that it only told them, ``failure`` why not all of them were carried out.
    ``evidence`` is what is known of the tailnet, and ``listed`` which list. ``outcomes`` are the
    recorded one and the new one, where those differ; ``problem`` says why there is no new one.
    """

    time: datetime
    resource: Key
    version: str
    removed: list[Record]
    held: list[Record]
    changes: list[Record]
    is_observed: bool
    evidence: Record | None
    listed: Record | None
    outcomes: tuple[Record, Record] | None = None
    problem: str = ""
    failure: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether both outcomes are the same bytes."""
        return self.outcomes is None and not self.problem

    @property
    def differences(self) -> list[str]:
        """Where the two outcomes differ, as paths into them."""
        return [] if self.outcomes is None else sorted(_differences(*self.outcomes, ""))


def replay(records: Iterable[Record]) -> list[Replayed]:
    """Make every recorded decision again, in order.

    Raises ForeignFormatError and DamagedRecordError.
    """
    tape = _Tape()
    for record in records:
        try:
            tape.take(record)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise DamagedRecordError(type(error).__name__) from error
    return tape.found


@dataclass(slots=True)
class _Tape:
    """What has been read so far: the decisions, and what the next one may refer to."""

    found: list[Replayed] = field(default_factory=list)
    lists: dict[str, RecordedList] = field(default_factory=dict)
    last: dict[str, Replayed] = field(default_factory=dict)
    version: str = ""

    def take(self, record: Record) -> None:
        match record["kind"]:
            case "ring":
                self.version = record["version"]
                self.lists.clear()
                if record["format"] != FORMAT:
                    text = f"format {record['format']}, of version {self.version}"
                    raise ForeignFormatError(text)
            case "list":
                follow(self.lists, record)
            case "failure" if record["resource"] in self.last:
                self.last[record["resource"]].failure = record["problem"]
            case "pass" | "end":
                made = _replayed(record, self.lists, self.version)
                self.last[record["resource"]] = made
                self.found.append(made)


def _replayed(record: Record, lists: Mapping[str, RecordedList], version: str) -> Replayed:
    inputs, outcome = record["inputs"], record["outcome"]
    namespace, _, name = record["resource"].partition("/")
    made = Replayed(
        time=msgspec.convert(record["time"], datetime),
        resource=Key(namespace, name),
        version=version,
        removed=_removed(inputs, outcome),
        held=outcome.get("held", []),
        changes=[{k: v for k, v in one.items() if k != "after"} for one in outcome["changes"]],
        is_observed=_is_observed(outcome),
        evidence=inputs.get("evidence"),
        listed=inputs.get("list"),
    )
    try:
        again = (
            _ended(record, made.resource) if record["kind"] == "end" else _decided(record, lists)
        )
    except LookupError as lost:
        made.problem = str(lost.args[0])
    except (ValueError, TypeError) as error:
        made.problem = f"the inputs can not be read: {error}"
    else:
        if encoded(again) != encoded(outcome):
            made.outcomes = (outcome, msgspec.json.decode(encoded(again)))
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


def _is_observed(outcome: Record) -> bool:
    return outcome.get("sync") == Sync.OBSERVE_ONLY


def _removed(inputs: Record, outcome: Record) -> list[Record]:
    """Return what is in no slice any more; a device that is there under another name is no loss."""
    if _is_observed(outcome):
        return []
    changed = {c["name"]: c["after"] for c in outcome["changes"] if c["kind"] == "EndpointSlice"}
    before = {e["name"] for one in inputs["slices"] for e in one["endpoints"]}
    kept = [one for one in inputs["slices"] if one["name"] not in changed]
    after = {e["name"] for one in kept for e in one["endpoints"]}
    after |= {e["hostname"] for one in changed.values() if one for e in one["endpoints"]}
    known = {loss["name"]: loss for loss in outcome.get("released", ())}
    sync = outcome.get("sync", RemovalCause.RESOURCE_DELETED.value)
    cause = "Renamed" if sync == Sync.SYNCED else sync
    return [known.get(name, {"name": name, "cause": cause}) for name in sorted(before - after)]


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
