"""Whatever a document holds: it is a resource, problems, or somebody else's, never an exception."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discovery.manifests import Where, parse_document

FIELDS = (
    *("apiVersion", "kind", "metadata", "spec", "status", "items", "name", "tailnet", "endpoints"),
    *("tagSelectors", "key", "operator", "values", "healthCheck", "interval", "ports", "discovery"),
    *("tagSelectorTerms", "matchTags", "port", "tailscaleIP", "externalTarget", "headers"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["TailscaleEndpoints", "gateway.tailscale.com/v1alpha1", "In", "30s", "100.64.0.1", "a:1"]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), below, max_size=6)
    ),
    max_leaves=25,
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(VALUES)
def test_any_value_is_a_resource_a_problem_or_ignored(value: Any) -> None:
    loaded = parse_document(value, Where("a.yaml"))
    assert loaded.resources or loaded.problems or loaded.ignored or "items" in value
    assert all(str(problem).isprintable() for problem in loaded.problems)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(VALUES, VALUES)
def test_any_spec_and_metadata_are_a_resource_or_errors(spec: Any, metadata: Any) -> None:
    raw = {
        "apiVersion": "gateway.tailscale.com/v1alpha1",
        "kind": "TailscaleEndpoints",
        "metadata": metadata,
        "spec": spec,
    }
    loaded = parse_document(raw, Where("a.yaml"))
    assert bool(loaded.resources) != any(problem.is_error for problem in loaded.problems)
