"""What is recorded: what decided something, differences of lists, and no secret."""

import json
from pathlib import Path

import pytest

from discovery.clients.errors import TransientError
from discovery.recorder import Recorder
from discovery.recorder.redaction import redacted_service
from discovery.recorder.ring import segments
from discovery.v1alpha1 import Mode
from tests.recorder.conftest import API, World

SECRETS = ("hunter2", "tskey-api-kHJ3", "swordfish", "querytoken", "Bearer abc123")


async def test_a_poll_and_a_pass_that_change_nothing_write_nothing(world: World) -> None:
    size = world.size()
    await world.turn(5)
    assert world.size() == size


async def test_a_list_that_differs_only_in_what_nobody_reads_writes_nothing(world: World) -> None:
    size = world.size()
    entry = {**json.loads('{"lastSeen": "2026-11-25T12:00:00Z"}'), "nodeId": "n90"}
    world.tailnet.extra = [{**entry, "name": "n90.company.ts.net", "addresses": ["100.64.0.99"]}]
    await world.turn()
    assert world.size() > size  # a device came
    size = world.size()
    world.tailnet.extra[0]["lastSeen"] = "2026-11-25T13:00:00Z"
    await world.turn()
    assert world.size() == size


async def test_a_list_is_recorded_as_what_changed_in_it(world: World) -> None:
    world.tailnet.there = (world.tailnet.there | {"n30"}) - {"n07"}
    world.tailnet.extra = [{"nodeId": "n08", "addresses": 7}]
    await world.turn()
    whole, change = [r for r in world.records() if r["kind"] == "list"]
    assert len(whole["devices"]) == 25
    assert [d["nodeId"] for d in change["changed"]] == ["n30"]
    assert change["gone"] == ["n07"]
    assert [entry["node_id"] for entry in change["unknown"]] == ["n08"]
    assert change["after"] == whole["digest"]
    assert change["fetchedAt"] == "2026-11-25T12:02:00Z"


async def test_what_single_devices_answered_is_recorded_once(world: World) -> None:
    world.tailnet.hidden = {"n03"}
    world.tailnet.there -= {"n07"}
    await world.turn(3)
    answers = [r["answers"] for r in world.records() if r["kind"] == "answers"]
    assert {n: d and d["nodeId"] for one in answers for n, d in one.items()} == {
        "n03": "n03",
        "n07": None,
    }
    assert sum(len(one) for one in answers) == 2


async def test_a_long_wait_is_not_written_each_time(world: World) -> None:
    world.spec = {**world.spec, "discovery": {**world.spec["discovery"], "removal": {}}}
    world.spec["discovery"]["removal"] = {"policy": "Approve"}
    world.write()
    world.tailnet.there -= {f"n{number:02}" for number in range(12)}
    await world.turn(5)
    size = world.size()
    await world.turn(20)
    assert world.size() == size


async def test_what_stays_to_be_observed_is_recorded_once(world: World) -> None:
    await world.restart(mode=Mode.OBSERVE)
    world.tailnet.there |= {"n30"}
    await world.turn()
    size = world.size()
    for _ in range(3):
        world.reconciler.forget()
        await world.turn()
    assert world.size() == size


async def test_a_decision_is_recorded_before_anything_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopError(Exception):
        pass

    async def stop(*_: object) -> None:
        raise StopError

    monkeypatch.setattr(world.store, "apply", stop)
    world.tailnet.there -= {"n07"}
    with pytest.raises(StopError):
        await world.turn()
    assert [loss["name"] for loss in world.replayed()[-1].removed] == ["n07"]


async def test_no_secret_is_in_the_ring(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": "Bearer abc123", "X-Password": "hunter2"}
    check = {"enabled": True, "headers": headers, "path": "/health?key=querytoken"}
    ports = [{"name": "http", "port": 80, "healthCheck": check}]
    static = {"name": "a", "tailscaleIP": "100.84.12.1", "tailscaleFQDN": "a.company.ts.net"}
    static |= {"port": 80, "protocol": "TCP", "healthCheck": check}  # type: ignore[dict-item]
    world.spec |= {"discovery": {"ports": ports}, "endpoints": [static]}
    copy = "kubectl.kubernetes.io/last-applied-configuration"
    world.annotations[copy] = json.dumps(world.spec)
    world.write()
    await world.turn()

    async def broken(_previous: object = None) -> None:
        text = "see https://admin:swordfish@proxy/ about tskey-api-kHJ3"
        error = TransientError("x", where="y")
        error.message = text
        raise error

    monkeypatch.setattr(world.tailnet, "devices", broken)
    await world.turn(4)
    world.recorder.failed(API, world.tailnet.now, "https://admin:swordfish@proxy/ tskey-api-kHJ3")

    text = b"".join(name.read_bytes() for name in segments(world.ring)).decode()
    assert [secret for secret in SECRETS if secret in text] == []
    assert "X-Password" in text
    assert "SourceFresh" in text
    assert all(one.reproduced for one in world.replayed())


def test_a_service_keeps_what_a_plan_reads_of_it() -> None:
    port = 'k:{"port":80,"protocol":"TCP"}'
    fields = {"f:metadata": {"f:annotations": {"f:password": {}}}, "f:spec": {"f:ports": {port: 1}}}
    service = {
        "kind": "Service",
        "metadata": {
            "name": "api",
            "labels": {"a": "b"},
            "annotations": {"password": "hunter2"},
            "managedFields": [{"manager": "helm", "time": "x", "fieldsV1": fields}],
        },
        "spec": {"selector": {"x": "y"}},
    }
    assert redacted_service(service) == {
        "kind": "Service",
        "metadata": {
            "name": "api",
            "labels": {"a": "b"},
            "managedFields": [{"manager": "helm", "fieldsV1": {"f:spec": {"f:ports": {port: {}}}}}],
        },
        "spec": {"selector": {"x": "y"}},
    }


async def test_without_a_ring_nothing_is_written(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.recorder = world.planner.recorder = world.tailnet.source.recorder = Recorder()
    world.write()
    await world.turn()
    world.planner.recorder.failed(API, world.tailnet.now, "x")
    assert not world.ring.exists()
