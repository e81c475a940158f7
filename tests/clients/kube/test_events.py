"""Events as the real API server takes, shows and refuses them."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest

from discovery.clients.kube.connect import connect
from discovery.clients.kube.events import EventRecorder, Limits, Regarding
from discovery.clients.kube.resources import EVENTS, NAMESPACES
from tests.controlplane.faults import Fault, hang, reset, server_error

if TYPE_CHECKING:
    from discovery.clients.kube.client import KubeClient
    from tests.controlplane.access import ControlPlane
    from tests.controlplane.kubectl import Kubectl
    from tests.controlplane.proxy import FaultProxy

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BLOCKED: tuple[Literal["Warning"], str, str, str] = (
    "Warning",
    "RemovalBlocked",
    "Hold",
    "3 endpoints wait for an approval",
)


class Time:
    """Both clocks of a recorder, in the hands of a test."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def recorder(cluster: KubeClient, time: Time) -> EventRecorder:
    return new_recorder(cluster, time)


def new_recorder(client: KubeClient, time: Time, limits: Limits | None = None) -> EventRecorder:
    return EventRecorder(
        client,
        instance="controller-7d4f",
        now=time.now,
        monotonic=time.monotonic,
        limits=limits or Limits(),
    )


def regarding(namespace: str, name: str = "api") -> Regarding:
    return Regarding(
        "gateway.tailscale.com/v1alpha1", "TailscaleEndpoints", namespace, name, f"uid-of-{name}"
    )


async def events(cluster: KubeClient, namespace: str) -> list[dict[str, Any]]:
    return (await cluster.list(EVENTS, namespace))[0]


async def test_an_event_says_what_was_recorded(
    cluster: KubeClient, recorder: EventRecorder, namespace: str
) -> None:
    recorder.record(regarding(namespace), *BLOCKED)
    await recorder.flush()
    (event,) = await events(cluster, namespace)
    metadata = event.pop("metadata")
    assert metadata["name"] == "api.1898b5d9b3d68000"
    assert {key: value for key, value in event.items() if not key.startswith("deprecated")} == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-03-01T12:00:00.000000Z",
        "reportingController": "gateway.tailscale.com/tailnet-discovery",
        "reportingInstance": "controller-7d4f",
        "type": "Warning",
        "reason": "RemovalBlocked",
        "action": "Hold",
        "note": "3 endpoints wait for an approval",
        "regarding": {
            "apiVersion": "gateway.tailscale.com/v1alpha1",
            "kind": "TailscaleEndpoints",
            "namespace": namespace,
            "name": "api",
            "uid": "uid-of-api",
        },
    }


async def test_what_is_said_again_becomes_a_series(
    cluster: KubeClient, recorder: EventRecorder, time: Time, namespace: str
) -> None:
    for seconds in (0.0, 1.5, 2.5):
        time.seconds = seconds
        recorder.record(regarding(namespace), *BLOCKED)
    await recorder.flush()
    (event,) = await events(cluster, namespace)
    assert event["eventTime"] == "2026-03-01T12:00:00.000000Z"
    assert {one["manager"] for one in event["metadata"]["managedFields"]} == {"tailnet-discovery"}
    assert event["series"] == {"count": 3, "lastObservedTime": "2026-03-01T12:00:02.500000Z"}


async def test_a_series_that_goes_on_is_written_once_a_minute(
    through: KubeClient, fault_proxy: FaultProxy, time: Time, namespace: str
) -> None:
    recorder = new_recorder(through, time)
    for second in range(0, 121, 2):
        time.seconds = float(second)
        recorder.record(regarding(namespace), *BLOCKED)
        await recorder.flush()
    assert (fault_proxy.count("POST", "/events"), fault_proxy.count("PATCH", "/events")) == (1, 2)


async def test_an_event_that_expired_is_written_anew(
    cluster: KubeClient, recorder: EventRecorder, time: Time, namespace: str
) -> None:
    recorder.record(regarding(namespace), *BLOCKED)
    await recorder.flush()
    (event,) = await events(cluster, namespace)
    name, uid = event["metadata"]["name"], event["metadata"]["uid"]
    await cluster.delete(EVENTS, namespace, name, uid=uid)
    for _ in range(2):
        time.seconds += 1
        recorder.record(regarding(namespace), *BLOCKED)
        await recorder.flush()
    (event,) = await events(cluster, namespace)
    assert event["eventTime"] == "2026-03-01T12:00:02.000000Z"


async def test_different_notes_are_different_events(
    cluster: KubeClient, recorder: EventRecorder, namespace: str
) -> None:
    for number in range(3):
        recorder.record(regarding(namespace), "Normal", "Synced", "Write", f"{number} slices")
    await recorder.flush()
    notes = {event["note"] for event in await events(cluster, namespace)}
    assert notes == {"0 slices", "1 slices", "2 slices"}


async def test_one_object_gets_25_events_and_then_one_each_five_minutes(
    cluster: KubeClient, recorder: EventRecorder, time: Time, namespace: str
) -> None:
    for number in range(40):
        recorder.record(regarding(namespace), "Normal", "Synced", "Write", f"{number} slices")
    recorder.record(regarding(namespace, "other"), *BLOCKED)
    await recorder.flush()
    assert len(await events(cluster, namespace)) == 26
    assert recorder.dropped == {"rate": 15}
    time.seconds = 300.0
    for number in range(2):
        recorder.record(regarding(namespace), "Normal", "Synced", "Write", f"later {number}")
    await recorder.flush()
    assert len(await events(cluster, namespace)) == 27


async def test_all_objects_together_are_paced(cluster: KubeClient, namespace: str) -> None:
    limits = Limits(burst=2, refill=0.1)
    recorder = EventRecorder(cluster, instance="controller", limits=limits)
    for number in range(6):
        recorder.record(regarding(namespace, f"api{number}"), *BLOCKED)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await recorder.flush()
    assert loop.time() - begun >= 0.4
    assert len(await events(cluster, namespace)) == 6


async def test_counts_of_series_are_paced_too(cluster: KubeClient, namespace: str) -> None:
    recorder = EventRecorder(cluster, instance="controller", limits=Limits(burst=1, refill=0.3))
    for _ in range(2):
        recorder.record(regarding(namespace), *BLOCKED)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await recorder.flush()
    assert loop.time() - begun >= 0.3


async def test_a_series_that_ended_is_forgotten(
    recorder: EventRecorder, time: Time, namespace: str
) -> None:
    recorder.record(regarding(namespace), *BLOCKED)
    await recorder.flush()
    assert len(recorder._ledger) == 1
    time.seconds = 360.0
    await recorder.flush()
    assert len(recorder._ledger) == 0


async def test_with_too_many_waiting_the_oldest_is_dropped(
    cluster: KubeClient, time: Time, namespace: str
) -> None:
    recorder = new_recorder(cluster, time, Limits(queue=3))
    for number in range(5):
        recorder.record(regarding(namespace), "Normal", "Synced", "Write", f"{number} slices")
    await recorder.flush()
    notes = {event["note"] for event in await events(cluster, namespace)}
    assert notes == {"2 slices", "3 slices", "4 slices"}
    assert recorder.dropped == {"queue": 2}


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        ("x" * 2000, "x" * 1024),
        ("é" * 2000, "é" * 512),
        ("x" + "é" * 2000, "x" + "é" * 511),
        ("half a \ud800 pair", "half a ? pair"),
    ],
)
async def test_a_long_note_is_cut_where_the_server_counts_bytes(
    cluster: KubeClient, recorder: EventRecorder, namespace: str, note: str, kept: str
) -> None:
    recorder.record(regarding(namespace), "Normal", "S" * 200, "W" * 200, note)
    await recorder.flush()
    (event,) = await events(cluster, namespace)
    assert event["note"] == kept
    assert (event["reason"], event["action"]) == ("S" * 128, "W" * 128)


async def test_the_longest_name_of_an_object_fits(
    cluster: KubeClient, recorder: EventRecorder, namespace: str
) -> None:
    name = "-".join(["a" * 60] * 4) + "-abcdefghi"
    assert len(name) == 253
    recorder.record(regarding(namespace, name), *BLOCKED)
    await recorder.flush()
    (event,) = await events(cluster, namespace)
    assert event["regarding"]["name"] == name


async def test_a_name_that_is_cut_is_still_valid(
    cluster: KubeClient, recorder: EventRecorder, namespace: str
) -> None:
    recorder.record(regarding(namespace, "a" * 235 + "-" + "b" * 17), *BLOCKED)
    await recorder.flush()
    (event,) = await events(cluster, namespace)
    assert event["metadata"]["name"].startswith("a" * 235 + ".")


async def test_events_of_one_moment_have_names_of_their_own(
    cluster: KubeClient, recorder: EventRecorder, namespace: str
) -> None:
    for kind in ("TailscaleEndpoints", "Service"):
        recorder.record(regarding(namespace)._replace(kind=kind), *BLOCKED)
    await recorder.flush()
    assert len(await events(cluster, namespace)) == 2


async def test_what_has_no_namespace_is_told_of_in_default(
    cluster: KubeClient, recorder: EventRecorder, namespace: str
) -> None:
    recorder.record(Regarding("v1", "Namespace", "", namespace, namespace), *BLOCKED)
    await recorder.flush()
    told = [one for one in await events(cluster, "default") if one["regarding"]["uid"] == namespace]
    assert len(told) == 1


async def test_events_are_written_as_they_come(cluster: KubeClient, namespace: str) -> None:
    limits = Limits(series_refresh=0.2, series_ends=60.0)
    recorder = EventRecorder(cluster, instance="controller", limits=limits)
    running = asyncio.create_task(recorder.run())
    for count in (1, 2, 3):  # the third waits for its turn, with nobody recording anything
        recorder.record(regarding(namespace), *BLOCKED)
        await until_counted(cluster, namespace, count)
    running.cancel()


async def until_counted(cluster: KubeClient, namespace: str, count: int) -> None:
    async with asyncio.timeout(10):
        while True:
            found = await events(cluster, namespace)
            if found and found[0].get("series", {"count": 1})["count"] == count:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("trouble", [server_error(), reset()])
async def test_an_event_that_can_not_be_written_is_dropped(
    through: KubeClient,
    fault_proxy: FaultProxy,
    time: Time,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
    trouble: Any,
) -> None:
    recorder = new_recorder(through, time)
    fault_proxy.add(Fault(trouble, method="POST", path="/events", times=2))
    for number in range(3):
        recorder.record(regarding(namespace), "Normal", "Synced", "Write", f"{number} slices")
    await recorder.flush()
    assert [event["note"] for event in await events(through, namespace)] == ["2 slices"]
    assert recorder.dropped == {"refused": 2}
    assert [line.message for line in caplog.records if line.levelno >= logging.WARNING] == [
        "event not written"
    ]


async def test_an_answer_that_never_comes_is_not_waited_for(
    through: KubeClient,
    fault_proxy: FaultProxy,
    time: Time,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("discovery.clients.kube.events._REQUEST_LIMIT", 0.2)
    recorder = new_recorder(through, time)
    fault_proxy.add(Fault(hang(), path="/events"))
    recorder.record(regarding(namespace), *BLOCKED)
    async with asyncio.timeout(10):
        await recorder.flush()
    assert recorder.dropped == {"refused": 1}


async def test_a_failure_is_told_again_after_a_success(
    through: KubeClient,
    fault_proxy: FaultProxy,
    time: Time,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = new_recorder(through, time)
    for number in range(3):
        if number != 1:
            fault_proxy.add(Fault(server_error(), method="POST", path="/events"))
        recorder.record(regarding(namespace), "Normal", "Synced", "Write", f"{number} slices")
        await recorder.flush()
    assert len([line for line in caplog.records if line.levelno >= logging.WARNING]) == 2


async def test_a_namespace_that_is_gone_makes_no_failure_a_new_one(
    through: KubeClient,
    fault_proxy: FaultProxy,
    time: Time,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = new_recorder(through, time)
    path = f"/{namespace}/events"
    fault_proxy.add(Fault(server_error(), method="POST", path=path, times=None))
    for where in (namespace, f"{namespace}-never-was", namespace):
        recorder.record(regarding(where), *BLOCKED)
        await recorder.flush()
    assert recorder.dropped == {"refused": 3}
    assert len([line for line in caplog.records if line.levelno >= logging.WARNING]) == 1


async def test_missing_rights_are_told_once(
    control_plane: ControlPlane, time: Time, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(control_plane.service_account(namespace, "nobody")) as client:
        recorder = new_recorder(client, time)
        for number in range(3):
            recorder.record(regarding(namespace), "Normal", "Synced", "Write", f"{number} slices")
        await recorder.flush()
    (line,) = [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert 'cannot create resource "events"' in vars(line)["problem"]


@pytest.mark.parametrize("state", ["terminating", "gone"])
async def test_a_namespace_that_goes_is_told_nothing_and_nobody_complains(
    cluster: KubeClient,
    recorder: EventRecorder,
    namespace: str,
    caplog: pytest.LogCaptureFixture,
    state: str,
) -> None:
    if state == "terminating":
        uid = (await cluster.get(NAMESPACES, None, namespace))["metadata"]["uid"]
        await cluster.delete(NAMESPACES, None, namespace, uid=uid)
        where = namespace
    else:
        where = f"{namespace}-never-was"
    recorder.record(regarding(where), *BLOCKED)
    await recorder.flush()
    assert recorder.dropped == {"refused": 1}
    assert [line for line in caplog.records if line.levelno >= logging.INFO] == []


async def test_kubectl_tells_of_events(
    cluster: KubeClient, namespace: str, kubectl: Kubectl
) -> None:
    recorder = EventRecorder(cluster, instance="controller")
    for _ in range(3):
        recorder.record(regarding(namespace), *BLOCKED)
    await recorder.flush()
    shown = await asyncio.to_thread(kubectl, "events", "-n", namespace)
    assert "RemovalBlocked" in shown.stdout
    assert "3 endpoints wait for an approval" in shown.stdout
    assert "(x3 over" in shown.stdout


async def test_a_long_name_of_the_instance_is_cut(
    cluster: KubeClient, time: Time, namespace: str
) -> None:
    recorder = EventRecorder(cluster, instance="i" * 200, now=time.now, monotonic=time.monotonic)
    recorder.record(regarding(namespace), *BLOCKED)
    await recorder.flush()
    (event,) = await events(cluster, namespace)
    assert event["reportingInstance"] == "i" * 128


async def test_a_defect_is_logged_with_its_traceback_and_drops_one_event(
    cluster: KubeClient, recorder: EventRecorder, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    unwritable: Any = object()
    recorder.record(regarding(namespace)._replace(uid=unwritable), *BLOCKED)
    recorder.record(regarding(namespace), *BLOCKED)
    await recorder.flush()
    assert len(await events(cluster, namespace)) == 1
    (line,) = [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert line.exc_info
