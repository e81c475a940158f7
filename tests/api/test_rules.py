"""The offline validation and the schema of the CRD against the table of broken rules.

The CRD must refuse the same objects: what its schema refuses is judged here with that very schema;
a CEL rule can only be judged by an API server, so here it must be there in the same words.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from discovery.crd import object_schema
from discovery.parsing import InvalidResourceError, parse_object
from discovery.rules import NOT_UNIQUE
from discovery.v1alpha1 import BOTH_SELECTORS, NAME_NEEDS_SERVICE_NAME, NO_SOURCE
from tests.api.broken_rules import CASES, Case, changed, good_object


@pytest.fixture
def good() -> dict[str, Any]:
    return good_object()


def findings(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidResourceError) as refused:
        parse_object(raw)
    return [(finding.field, finding.message) for finding in refused.value.findings]


def schema_errors(raw: Mapping[str, Any]) -> Iterator[Any]:
    return Draft202012Validator(object_schema()).iter_errors(raw)


def test_the_object_that_the_cases_change_is_right(good: dict[str, Any]) -> None:
    parse_object(good)
    assert list(schema_errors(good)) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_rule_is_one_finding_at_its_field(good: dict[str, Any], case: Case) -> None:
    found = findings(changed(good, case))
    assert [field for field, _ in found] == [case.field]
    if case.message:
        assert found == [(case.field, case.message)]


@pytest.mark.parametrize("case", [c for c in CASES if c.by == "schema"], ids=str)
def test_the_schema_refuses_the_same(good: dict[str, Any], case: Case) -> None:
    assert list(schema_errors(changed(good, case)))


@pytest.mark.parametrize(
    "message",
    sorted(
        {
            case.message
            for case in CASES
            if case.by == "cel" and not case.message.startswith("operator")
        }
        | {NO_SOURCE, BOTH_SELECTORS, f"metadata.name {NAME_NEEDS_SERVICE_NAME}"}
    ),
)
def test_a_cel_rule_has_the_same_message(message: str) -> None:
    assert f'"message": {json.dumps(message)}' in json.dumps(object_schema())


def test_the_cel_messages_on_operators_name_the_operator() -> None:
    text = json.dumps(object_schema())
    assert "'operator ' + self.operator + ' needs at least one value'" in text
    assert "'operator ' + self.operator + ' takes no values'" in text


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("spec.endpoints", "name"),
        ("spec.serviceDiscovery.vipServices", "name"),
        ("spec.discovery.ports", "name"),
    ],
)
def test_names_are_unique_in_a_list(good: dict[str, Any], path: str, key: str) -> None:
    items: Any = good
    for step in path.split("."):
        items = items[step]
    items += [items[0], {**items[0], "name": "other"}, items[0]]
    assert findings(good) == [(f"{path}[{n}].{key}", NOT_UNIQUE) for n in (1, 3)]
