"""Memory does not grow with the polls that were made, nor with the devices ever seen.

Ten thousand polls, of which every eighth brings another list, of 66 to 76 devices and four to five
resources: a tailnet's size is no matter here, and its churn is that of weeks. Caches whose bounds
are far beyond that get lower ones, which are reached while it warms up; that they have bounds at
all is another test.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from discovery.clients.kube import event_series
from discovery.clients.kube.event_series import Buckets, Ledger, Limits, Regarding, Said
from discovery.clients.kube.resources import Resource
from discovery.plan import gate
from discovery.plan.policy import TailnetPolicy
from discovery.plan.selection import Selection
from discovery.stores.cluster import ClusterStore
from discovery.v1alpha1 import Key, TailscaleEndpointsSpec
from tagselectors import TagGrammar, circuit
from tests.memory.footprint import Footprint
from tests.memory.world import SilentClient, World, fixed

WARM_UP, POLLS = 1_000, 10_000


@pytest.fixture
def unheard() -> Iterator[None]:
    """Let pytest keep no log lines, which would be the growth that is looked for."""
    logger = logging.getLogger("discovery")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture
def low_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    usable = lru_cache(maxsize=256)(gate._usable.__wrapped__)
    monkeypatch.setattr(gate, "_usable", usable)
    monkeypatch.setattr(circuit, "_REMEMBERED_TAGS", 256)
    monkeypatch.setattr(event_series, "REMEMBERED", 16)


def counted(world: World, name: str, label: str) -> dict[str, float]:
    """Return the values of a metric by one of its labels."""
    family = next(one for one in world.metrics.registry.collect() if one.name.endswith(name))
    return {one.labels[label]: one.value for one in family.samples if one.name.endswith("_total")}


@pytest.mark.timeout(300)  # half a minute of computing
async def test_memory_is_flat_over_ten_thousand_polls_with_churn(
    unheard: None, low_bounds: None, tmp_path: Path
) -> None:
    world = World(tmp_path)
    await world.poll(WARM_UP)
    await world.rest()
    before, lines = Footprint.take(), world.metrics.text().count(b"\n")
    await world.poll(POLLS - WARM_UP)
    await world.rest()
    assert Footprint.take().growth_since(before) == []
    assert world.metrics.text().count(b"\n") == lines
    polls = counted(world, "_polls", "result")
    assert polls["Unreachable"] > 500
    assert polls["ListIncomplete"] > 100
    assert counted(world, "_device_questions", "answer")["gone"] > 1_500
    removals = counted(world, "_removals", "cause")
    assert removals["Absent"] > 1_500
    assert removals["Untagged"] > 200
    assert removals["Ineligible"] > 100
    assert counted(world, "_reconciles", "result")["failed"] == 0
    assert world.planner.recorder.problem == ""
    assert world.tailnet.made > 4_000
    assert world.client.sent > 1_000


def test_what_is_kept_of_each_poll_is_seen() -> None:
    kept: dict[str, int] = {}
    before = Footprint.take()
    kept.update({f"n{number}CNTRL": number for number in range(3_000)})
    (line,) = Footprint.take().growth_since(before)
    assert line.endswith(" blocks more")


def test_references_to_what_is_there_anyway_are_seen() -> None:
    kept: list[object] = [()] * 100
    before = Footprint.take()
    kept += [()] * 300
    assert Footprint.take().growth_since(before) == [
        "a builtins.list has grown from 100 or less to 400"
    ]


def test_objects_of_one_type_are_seen() -> None:
    before = Footprint.take()
    kept = [Limits(queue=number) for number in range(200)]
    assert Footprint.take().growth_since(before) == [
        f"{len(kept)} more of discovery.clients.kube.event_series.Limits"
    ]


def test_addresses_are_remembered_up_to_a_bound() -> None:
    assert gate._usable.cache_parameters()["maxsize"] == 65_536


def test_tags_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "_REMEMBERED_TAGS", 100)
    made = circuit.compile_expressions([], TagGrammar())
    for number in range(1_000):
        made.evaluate([(f"tag:build-{number}",)], 1)
        assert len(made._atoms_of_tag) <= 100


def test_series_and_objects_of_events_are_remembered_up_to_a_bound() -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    ledger, buckets = Ledger(Limits()), Buckets[Regarding](25, 300.0)
    for number in range(5_000):
        about = Regarding("v1", "Pod", "default", f"p-{number}", f"{number}")
        ledger.begin(Said(about, "Normal", "A", "B", "C"), "name", now, 0.0)
        buckets.take(about, 0.0)
    assert (len(ledger), len(buckets.by_key)) == (4_096, 4_096)


def obj(kind: Resource, name: str, version: int) -> dict[str, Any]:
    """An object of the resource ``a``, as an API server answers with it."""
    body = json.loads(json.dumps(CHILDREN[kind.kind]))
    body["metadata"] |= {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": f"{version}",
    }
    return {"apiVersion": kind.api_version, "kind": kind.kind, **body}


OWNER = {"kind": "TailscaleEndpoints", "name": "a", "uid": "uid-a", "controller": True}
OURS = {
    "app.kubernetes.io/managed-by": "tailnet-discovery",
    "endpointslice.kubernetes.io/managed-by": "tailnet-discovery.gateway.tailscale.com",
}
CHILDREN: dict[str, dict[str, Any]] = {
    "TailscaleEndpoints": {"metadata": {}, "spec": {"tailnet": "company.ts.net", "endpoints": []}},
    "Service": {"metadata": {"labels": OURS, "ownerReferences": [OWNER]}, "spec": {}},
    "EndpointSlice": {
        "metadata": {"labels": OURS, "ownerReferences": [OWNER]},
        "addressType": "IPv4",
        "ports": [],
        "endpoints": [],
    },
}


def test_static_addresses_of_resources_that_are_gone_are_forgotten() -> None:
    selection = Selection(TailnetPolicy("company.ts.net"))

    def churn(start: int, end: int) -> None:
        for number in range(start, end):
            address = fixed(f"100.120.{number // 250}.{number % 250 + 1}")
            body = {"tailnet": "company.ts.net", "endpoints": [address]}
            selection.define({Key("a", "b"): TailscaleEndpointsSpec.model_validate(body)})
            selection.define({Key("a", "b"): None})

    churn(0, 100)
    before = Footprint.take()
    churn(100, 1_100)
    assert Footprint.take().growth_since(before) == []


def test_the_caches_of_a_cluster_are_flat_while_objects_come_and_go(unheard: None) -> None:
    """Each is made by us, told of by the watch, changed by others, and ended by us or by others."""
    store = ClusterStore(SilentClient(), "default")
    versions = count(1)

    def churn(times: int) -> None:
        for number in range(times):
            for kind, cache, _ in store.watched():
                name = f"o-{next(versions)}"
                made, other, end = (obj(kind, name, next(versions)) for _ in range(3))
                cache.put(made)
                cache.upsert(cache.project(made))
                cache.upsert(cache.project(other))
                if number % 2:
                    cache.drop("default", name, f"uid-{name}")
                cache.remove(cache.project(end))
            store.refresh()

    churn(200)
    before = Footprint.take()
    churn(2_000)
    assert Footprint.take().growth_since(before) == []
