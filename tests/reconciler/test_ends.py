"""The end of a resource."""

import logging
from typing import Any

import pytest

from discovery.v1alpha1 import TailscaleEndpoints
from tests.reconciler.conftest import API, MANIFEST, World

STATIC = """\
  endpoints:
    - {name: db, tailscaleIP: 100.64.9.9, tailscaleFQDN: db.company.ts.net, port: 80, protocol: TCP}
"""


def resource(world: World) -> TailscaleEndpoints:
    found = world.store.get(API)
    assert isinstance(found, TailscaleEndpoints)
    return found


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.message == "endpoint removed"]


async def test_each_endpoint_of_a_resource_that_is_gone_is_one_line_in_order(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.manifest.write_text(MANIFEST + STATIC)
    await world.turn()
    caplog.set_level(logging.INFO)
    (world.root / "manifests/other.yaml").write_text(MANIFEST.replace("name: api}", "name: b}"))
    world.manifest.unlink()
    await world.turn()
    said = [(line["endpoint"], line["node"]) for line in lines(caplog)]
    assert said == [("db", ""), *((f"n{n:02}", f"n{n:02}") for n in range(25))]
    assert {line["evidence"] for line in lines(caplog)} == {"the resource is gone"}


async def test_a_resource_that_is_being_deleted_loses_its_endpoints_at_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = resource(world)
    metadata = found.metadata.model_copy(update={"deletion_timestamp": world.tailnet.now})
    world.store._resources[API] = found.model_copy(update={"metadata": metadata})
    assert await world.reconciler.reconcile(API, world.tailnet.now) is None
    await world.store.flush()
    assert world.names() == set()
    assert {line["evidence"] for line in lines(caplog)} == {"the resource is being deleted"}


async def test_a_resource_that_went_during_a_pass_is_in_no_selection(world: World) -> None:
    found = resource(world)
    children = await world.store.children(API)
    world.store._resources.pop(API)
    world.reconciler.define([API])
    world.planner.inputs(found, children, world.tailnet.now)
    await world.reconciler.reconcile(API, world.tailnet.now)
    world.tailnet.there |= {"n77"}
    assert await world.tailnet.source.poll(world.tailnet.now) == set()
