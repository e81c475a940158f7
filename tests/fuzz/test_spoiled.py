"""From valid documents, spoiled at will: nothing but the documented errors comes out."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import targets
from tests.fuzz.spoiling import (
    CONFIGURATION,
    DEVICES,
    PIECED,
    RESOURCES,
    as_json,
    as_yaml,
    damaged,
    spoiled,
)

READ = {"id", "nodeId", "name", "addresses", "tags", "authorized", "expires", "tailnetLockError"}
MACHINES = [{key: device[key] for key in device if key in READ} for device in DEVICES]
LISTS = [{"devices": MACHINES[:2]}, {"devices": MACHINES[8:10]}, {"devices": DEVICES[:1]}]
MANIFESTS = [*RESOURCES, {"apiVersion": "v1", "kind": "List", "items": RESOURCES[:2]}]


def as_documents(values: list[Any]) -> bytes:
    return b"---\n".join(map(as_yaml, values))


thorough = settings(
    max_examples=300,
    deadline=2000,  # milliseconds: what takes longer holds up the whole controller
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(thorough, max_examples=1000)
@given(damaged(spoiled(LISTS).map(as_json)))
def test_a_spoiled_device_list_is_a_list_or_malformed(body: bytes) -> None:
    targets.device_list(body)


@settings(thorough, max_examples=1000)
@given(damaged(spoiled(MACHINES).map(as_json)))
def test_a_spoiled_device_is_a_device_or_malformed(body: bytes) -> None:
    targets.one_device(body)


@thorough
@given(damaged(st.lists(spoiled(MANIFESTS), min_size=1, max_size=3).map(as_documents)))
def test_spoiled_manifests_are_resources_or_problems(content: bytes) -> None:
    targets.manifests(content)


@thorough
@given(damaged(spoiled([CONFIGURATION]).map(as_yaml)))
def test_a_spoiled_configuration_is_settings_or_a_config_error(content: bytes) -> None:
    targets.configuration(content)


@thorough
@given(PIECED)
def test_any_pieces_of_yaml_are_manifests_or_problems(text: str) -> None:
    targets.manifests(text.encode())


@thorough
@given(PIECED)
def test_any_pieces_of_yaml_are_settings_or_a_config_error(text: str) -> None:
    targets.configuration(text.encode())
