"""What the search reads of a cluster: everything of the program that others can read there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.objects import object_of
from tests.controlplane.access import ControlPlane
from tests.security import transcripts
from tests.security.objects import READ, note_objects
from tests.security.transcripts import Leak, Transcript, leaks

META = {"metadata": {"name": "planted"}}
AT = "2026-11-25T12:00:00.000000Z"


@pytest.fixture
def transcript(tmp_path: Path) -> Iterator[Transcript]:
    """A transcript beside that of the run, which knows the planted secrets alone."""
    kept = Transcript(tmp_path, "own", "test_it")
    transcripts.keep(kept)
    yield kept
    transcripts.forget(kept)


def post(server: ControlPlane, namespace: str, path: str, body: dict[str, Any]) -> None:
    url = path.format(f"/namespaces/{namespace}")
    server.api.post(url, json=META | body).raise_for_status()


def test_what_others_can_read_in_a_cluster_is_searched(
    control_plane: ControlPlane, namespace: str, transcript: Transcript
) -> None:
    def planted(what: str) -> str:
        transcript.secret(what, f"planted-in-{what}-and-searched")
        return f"planted-in-{what}-and-searched"

    ours, slices, services, events, leases = READ
    post(control_plane, namespace, ours, object_of("planted", endpoints=[]))
    condition = {"type": "Ready", "status": "False", "reason": "X", "lastTransitionTime": AT}
    status = {"status": {"conditions": [condition | {"message": planted("a-status")}]}}
    control_plane.api.patch(
        f"{ours.format(f'/namespaces/{namespace}')}/planted/status",
        json=status,
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    endpoints = [{"addresses": ["100.64.0.1"], "hostname": planted("a-slice")}]
    post(control_plane, namespace, slices, {"addressType": "IPv4", "endpoints": endpoints})
    annotations = {"metadata": {"name": "planted", "annotations": {"a": planted("a-service")}}}
    post(control_plane, namespace, services, annotations | {"spec": {"ports": [{"port": 80}]}})
    about = {"kind": "Pod", "name": "a", "namespace": namespace}
    event = {"eventTime": AT, "reportingController": "a/b", "reportingInstance": "c"}
    event |= {"action": "A", "reason": "R", "type": "Normal", "note": planted("an-event")}
    post(control_plane, namespace, events, event | {"regarding": about})
    post(control_plane, namespace, leases, {"spec": {"holderIdentity": planted("a-lease")}})

    note_objects(control_plane.api, namespace)
    transcript.flush()

    objects = "objects of the cluster"
    assert leaks(transcript.folder) == [
        Leak("a-lease of test_it", objects, "test_it"),
        Leak("a-service of test_it", objects, "test_it"),
        Leak("a-slice of test_it", objects, "test_it"),
        Leak("a-status of test_it", "statuses", "test_it"),
        Leak("an-event of test_it", objects, "test_it"),
    ]


def test_a_spec_is_its_authors_own(
    control_plane: ControlPlane, namespace: str, transcript: Transcript
) -> None:
    transcript.secret("a-spec", "planted.in-a-spec.ts.net")
    raw = object_of("planted", tailnet="planted.in-a-spec.ts.net", endpoints=[])
    post(control_plane, namespace, READ[0], raw)
    note_objects(control_plane.api, namespace)
    transcript.flush()
    assert leaks(transcript.folder) == []


def test_a_server_that_is_gone_holds_nothing() -> None:
    with httpx.Client(base_url="http://127.0.0.1:1", trust_env=False) as nowhere:
        note_objects(nowhere)
