from collections.abc import Callable
from typing import Any

import pytest

from discovery.manifests import Severity, Where, parse_document

Make = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("place", "field", "message"),
    [
        ("metadata", "metadata.lables", "did you mean labels?"),
        ("spec", "spec.lables", ""),
        ("spec.endpoints.0", "spec.endpoints[0].tailscaleIp", "did you mean tailscaleIP?"),
        ("spec.endpoints.0.healthCheck", "spec.endpoints[0].healthCheck.intervall", "interval?"),
        ("spec.tagSelectors.0", "spec.tagSelectors[0].value", "did you mean values?"),
        ("spec.discovery.ports.0", "spec.discovery.ports[0].healtCheck", "healthCheck?"),
        ("", "sepc", "did you mean spec?"),
    ],
)
def test_an_unknown_field_is_a_warning_with_what_was_meant(
    object_of: Make, endpoint: Make, place: str, field: str, message: str
) -> None:
    check = {"enabled": True}
    raw = object_of(
        endpoints=[endpoint(healthCheck=check)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        discovery={"ports": [{"name": "http", "port": 80}]},
    )
    parent: Any = raw
    for step in filter(None, place.split(".")):
        parent = parent[int(step) if step.isdigit() else step]
    parent[field.rpartition(".")[2]] = 1
    loaded = parse_document(raw, Where("a.yaml"))
    (problem,) = loaded.problems
    assert (problem.severity, problem.field) == (Severity.WARNING, field)
    assert problem.message.startswith("is no field of this API, and is ignored")
    assert problem.message.endswith(message)
    assert len(loaded.resources) == 1


def test_a_map_of_the_user_has_no_unknown_fields(object_of: Make, endpoint: Make) -> None:
    raw = object_of(endpoints=[endpoint(metadata={"anything": "goes"})])
    assert parse_document(raw, Where("a.yaml")).problems == ()


def test_an_empty_field_is_a_warning(object_of: Make) -> None:
    raw = object_of(endpoints=[], service=None)
    raw["metadata"]["creationTimestamp"] = None
    (problem,) = parse_document(raw, Where("a.yaml")).problems
    assert (problem.field, problem.message) == (
        "spec.service",
        "is empty, and counts as absent",
    )
