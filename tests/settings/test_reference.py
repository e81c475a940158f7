import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from discovery.settings import load
from discovery.settings.reference import schema, table

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "configuration.md").read_text()
EXAMPLE = PAGE.partition("```yaml\n")[2].partition("```")[0]


def test_the_table_in_the_documentation_is_current() -> None:
    assert table() in PAGE


def test_the_schema_in_the_documentation_is_current() -> None:
    assert (REFERENCE / "configuration.schema.json").read_text() == schema()


def test_the_example_in_the_documentation_loads(tmp_path: Path) -> None:
    (tmp_path / "td.yaml").write_text(EXAMPLE)

    assert load(tmp_path / "td.yaml", environ={}).settings.tailnets[0].tag_keys == (
        "env",
        "service-type",
    )


def test_the_schema_accepts_the_example() -> None:
    jsonschema.validate(yaml.safe_load(EXAMPLE), json.loads(schema()))


@pytest.mark.parametrize(
    "document",
    [
        {"instnce": "x"},
        {"logging": {"level": "verbos"}},
        {"tailnets": [{"name": "a.ts.net", "credentials": {"apiKey": "x"}}]},
        {"tailnets": [{"name": "a.ts.net", "pollInterval": "60"}]},
    ],
)
def test_the_schema_refuses_what_the_program_refuses(document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(schema()))
