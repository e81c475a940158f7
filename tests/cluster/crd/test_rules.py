"""What the offline validation refuses, a real API server refuses too, and rules say it alike.

Types, bounds and patterns are said in the API server's own words; a rule of ours is said in ours.
"""

from typing import Any

import pytest

from discovery.addresses import NOT_IN_TAILNET
from discovery.durations import DURATION_FORM
from discovery.parsing import InvalidResourceError, parse_object
from discovery.targets import TARGET_FORM, TARGET_IS_LOCAL
from discovery.v1alpha1 import BOTH_SELECTORS, NAME_NEEDS_SERVICE_NAME, NO_SOURCE
from tests.api.broken_rules import CASES, ENV, Case, changed, good_object
from tests.api.objects import endpoint, object_of
from tests.api.texts import (
    ADDRESSES,
    LOCAL_TARGETS,
    MISSPELT_ADDRESSES,
    NO_DURATIONS,
    NO_TARGETS,
    OUTSIDE_ADDRESSES,
    RESERVED_ADDRESSES,
    TARGETS,
)
from tests.cluster.crd.conftest import Post

INTERRUPTED = "some validation rules were not checked because the object was invalid"


def causes(try_out: Post, raw: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the fields that are refused, each with the last part of why."""
    refused = try_out(raw)
    assert refused.status_code == 422, refused.text
    said = [(each["field"], each["message"]) for each in refused.json()["details"]["causes"]]
    return [(field, message) for field, message in said if INTERRUPTED not in message]


def test_the_object_that_the_cases_change_is_accepted(try_out: Post) -> None:
    assert try_out(good_object()).status_code == 201


@pytest.mark.parametrize("case", [case for case in CASES if case.by == "schema"], ids=str)
def test_what_breaks_the_schema_is_refused_at_its_field(try_out: Post, case: Case) -> None:
    assert case.field in dict(causes(try_out, changed(good_object(), case)))


@pytest.mark.parametrize("case", [case for case in CASES if case.by == "cel"], ids=str)
def test_what_breaks_a_rule_is_refused_in_its_words(try_out: Post, case: Case) -> None:
    ((field, message),) = causes(try_out, changed(good_object(), case))
    assert (field, message.endswith(f": {case.message}")) == (case.field, True), message


@pytest.mark.parametrize("case", [case for case in CASES if case.by == "set"], ids=str)
def test_a_value_twice_in_a_set_is_refused(try_out: Post, case: Case) -> None:
    ((field, message),) = causes(try_out, changed(good_object(), case))
    assert field == f"{case.field}[1]"
    assert message.startswith("Duplicate value")


@pytest.mark.parametrize("path", ["endpoints", "serviceDiscovery.vipServices", "discovery.ports"])
def test_a_name_twice_in_a_list_is_refused(try_out: Post, path: str) -> None:
    raw = good_object()
    items: Any = raw["spec"]
    for step in path.split("."):
        items = items[step]
    items.append(items[0])
    ((field, message),) = causes(try_out, raw)
    assert field == f"spec.{path}[1]"
    assert message.startswith("Duplicate value: ")
    assert message.endswith(f'{{"name":"{items[0]["name"]}"}}')


@pytest.mark.parametrize(
    ("raw", "field", "message"),
    [
        (object_of(), "spec", NO_SOURCE),
        (
            object_of(tagSelectors=[ENV], tagSelectorTerms=[{"matchTags": [ENV]}]),
            "spec.tagSelectorTerms",
            BOTH_SELECTORS,
        ),
        (object_of("api.company", endpoints=[]), "<nil>", NAME_NEEDS_SERVICE_NAME),
        (object_of("1api", endpoints=[]), "<nil>", NAME_NEEDS_SERVICE_NAME),
        (object_of("a" * 64, endpoints=[]), "<nil>", NAME_NEEDS_SERVICE_NAME),
    ],
    ids=["no source", "both selectors", "dots", "first a digit", "too long"],
)
def test_a_rule_across_fields_is_refused_in_its_words(
    try_out: Post, raw: dict[str, Any], field: str, message: str
) -> None:
    ((refused, said),) = causes(try_out, raw)
    assert (refused, said.endswith(message)) == (field, True), said


@pytest.mark.parametrize("name", ["api.company", "1api", "a" * 64])
def test_a_name_that_no_service_can_have_is_accepted_with_a_service_name(
    try_out: Post, name: str
) -> None:
    raw = object_of(name, endpoints=[], service={"name": "api"})
    assert try_out(raw).status_code == 201


def test_an_empty_list_of_endpoints_is_a_source(try_out: Post) -> None:
    assert try_out(object_of(endpoints=[])).status_code == 201


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_of_a_device_is_accepted(try_out: Post, text: str) -> None:
    raw = object_of(endpoints=[endpoint(tailscaleIP=text)])
    assert try_out(raw).status_code == 201


@pytest.mark.parametrize("text", [*OUTSIDE_ADDRESSES, *RESERVED_ADDRESSES, *MISSPELT_ADDRESSES])
def test_another_address_is_refused(try_out: Post, text: str) -> None:
    ((field, message),) = causes(try_out, object_of(endpoints=[endpoint(tailscaleIP=text)]))
    assert field == "spec.endpoints[0].tailscaleIP"
    assert message.endswith(NOT_IN_TAILNET)


@pytest.mark.parametrize(("text", "host", "port"), TARGETS)
def test_a_target_is_accepted(try_out: Post, text: str, host: str, port: int) -> None:
    raw = object_of(endpoints=[endpoint(externalTarget=text)])
    assert try_out(raw).status_code == 201


@pytest.mark.parametrize(
    ("text", "why"),
    [(text, TARGET_FORM) for text in NO_TARGETS]
    + [(text, TARGET_IS_LOCAL) for text in LOCAL_TARGETS],
)
def test_another_target_is_refused(try_out: Post, text: str, why: str) -> None:
    ((field, message),) = causes(try_out, object_of(endpoints=[endpoint(externalTarget=text)]))
    assert field == "spec.endpoints[0].externalTarget"
    assert message.endswith(why)


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_a_text_that_is_no_duration_is_refused_once(try_out: Post, text: str) -> None:
    raw = object_of(endpoints=[endpoint(healthCheck={"interval": text})])
    with pytest.raises(InvalidResourceError, match=DURATION_FORM):
        parse_object(raw)
    ((field, _),) = causes(try_out, raw)
    assert field == "spec.endpoints[0].healthCheck.interval"
