"""Recording: each pass that decided something, and the lists and answers that it rests on.

A recorder never fails what it records: where its folder can not be written it says so once.
"""

import errno
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from discovery.plan.changes import Change
from discovery.plan.passes import Inputs, Pass
from discovery.plan.slices import EndpointSlice
from discovery.plan.status import says_something_new
from discovery.recorder.lists import RecordedList, device_value, follow, list_record, recorded
from discovery.recorder.redaction import redacted_service, redacted_text
from discovery.recorder.ring import Ring, encoded, records, segments
from discovery.recorder.values import (
    changes_value,
    inputs_value,
    outcome_value,
    slices_value,
    status_after,
)
from discovery.tailnet import Device, Snapshot
from discovery.v1alpha1 import Key

log = logging.getLogger(__name__)

Record = dict[str, Any]


class Recorder:
    """Keeps what happened in a ring; without one it does nothing.

    ``problem`` says why something could not be recorded, where that is so.
    """

    def __init__(self, ring: Ring | None = None) -> None:
        self.problem = ""
        self._ring = ring
        self._lists: dict[str, RecordedList] = {}
        self._looked_at: dict[str, str] = {}
        self._answers: dict[str, dict[str, Device | None]] = {}
        self._too_large: set[str] = set()

    def close(self) -> None:
        """Let others record in the ring."""
        if self._ring is not None:
            self._ring.close()

    def listed(self, snapshot: Snapshot) -> None:
        """Record a verified list, where its devices are not those of the last one."""
        if self._ring is not None and self._looked_at.get(snapshot.tailnet) != snapshot.digest:
            self._looked_at[snapshot.tailnet] = snapshot.digest
            self._safely(lambda: self._write(None, snapshot))

    def answered(self, snapshot: Snapshot, answers: Mapping[str, Device | None]) -> None:
        """Record what single devices answered after a list, where it is news."""
        if self._ring is None:
            return
        known = self._answers.get(snapshot.tailnet, {})
        news = {n: d for n, d in answers.items() if n not in known or known[n] != d}
        self._answers[snapshot.tailnet] = dict(answers)
        if news:
            record = {
                "kind": "answers",
                "tailnet": snapshot.tailnet,
                "fetchedAt": snapshot.fetched_at,
                "answers": {n: None if d is None else device_value(d) for n, d in news.items()},
            }
            self._safely(lambda: self._write(record, None))

    def decided(self, inputs: Inputs, snapshot: Snapshot | None, made: Pass) -> None:
        """Record a pass that is about to be carried out, if it changes or says anything.

        ``snapshot`` is the list that the inputs are made from.
        """
        if self._ring is not None:
            self._safely(lambda: self._decided(inputs, snapshot, made))

    def _decided(self, inputs: Inputs, snapshot: Snapshot | None, made: Pass) -> None:
        status = status_after(made, inputs.now)
        writes = made.writes and (made.changes or made.removed)
        if not writes and not says_something_new(status, made.resource.status):
            return
        record = {
            "kind": "pass",
            "time": inputs.now,
            "resource": str(made.resource.key),
            "inputs": inputs_value(inputs, snapshot, made),
            "outcome": outcome_value(made, status),
        }
        self._write(record, snapshot)

    def failed(self, key: Key, now: datetime, problem: str) -> None:
        """Record that the changes of the pass that was recorded last could not all be written."""
        record = {"kind": "failure", "time": now, "resource": str(key), "problem": problem}
        self._safely(lambda: self._write(record, None))

    def ended(
        self,
        key: Key,
        now: datetime,
        children: tuple[Iterable[Mapping[str, Any]], Iterable[EndpointSlice]],
        of: tuple[str, str],
        changes: tuple[Change, ...],
    ) -> None:
        """Record what is taken away from a resource that is gone or going.

        ``children`` are its Services and slices, ``of`` are the instance and the resource's uid.
        """
        if self._ring is None or not changes:
            return
        services, slices = children
        record = {
            "kind": "end",
            "time": now,
            "resource": str(key),
            "inputs": {
                "services": [redacted_service(service) for service in services],
                "slices": slices_value(slices),
                "instance": of[0],
                "uid": of[1],
            },
            "outcome": {"changes": changes_value(changes)},
        }
        self._safely(lambda: self._write(record, None))

    def _write(self, record: Record | None, snapshot: Snapshot | None) -> None:
        """Write a record, behind the list that it refers to where the segment lacks that."""
        ring = self._ring
        if ring is None or (snapshot is not None and snapshot.tailnet in self._too_large):
            return
        if not ring.is_open:
            self._go_on(ring)
        listed, line = self._lines(record, snapshot)
        if not ring.fits(len(listed) + len(line)):
            ring.rotate()
            self._lists.clear()
            listed, line = self._lines(record, snapshot)
            if not ring.fits(len(listed) + len(line)):
                self._too_large.update([snapshot.tailnet] if snapshot and listed else [])
                raise OSError(errno.EFBIG, "recorder.maxMegabytes is too small")
        if listed and snapshot is not None:
            ring.append(listed, is_whole_list=snapshot.tailnet not in self._lists)
            self._lists[snapshot.tailnet] = recorded(snapshot)
        if line:
            ring.append(line)

    def _lines(self, record: Record | None, snapshot: Snapshot | None) -> tuple[bytes, bytes]:
        """Return the line of the list, empty where the segment has it, and that of the record."""
        listed, line = b"", b""
        if snapshot is not None:
            known = self._lists.get(snapshot.tailnet)
            is_there = known is not None and known.says(snapshot)
            if not is_there:
                listed = redacted_text(encoded(list_record(snapshot, known)))
            if record is not None:
                digest = known.digest if known and is_there else snapshot.digest
                record["inputs"]["list"]["digest"] = digest
        if record is not None:
            line = redacted_text(encoded(record))
        return listed, line

    def _go_on(self, ring: Ring) -> None:
        """Open the ring, and learn what its last segment has of each tailnet."""
        self._lists.clear()
        ring.open()
        for record in records(segments(ring.directory)[-1].read_bytes()):
            if record["kind"] == "list":
                follow(self._lists, record)

    def _safely(self, write: Callable[[], None]) -> None:
        """Record, or say once why it can not be done."""
        try:
            write()
        except Exception as error:  # noqa: BLE001 - no defect here may cost a pass
            if self._ring is None:
                return
            self._ring.close()
            if not self.problem:
                self.problem = (error.strerror if isinstance(error, OSError) else "") or repr(error)
                extra = {"directory": str(self._ring.directory), "problem": self.problem}
                log.warning("decisions are not recorded", extra=extra)
