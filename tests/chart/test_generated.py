from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery import __version__
from discovery.settings import Settings
from helm import reference
from tests.chart.helm import CHART

ROOT = CHART.parents[1]
VALUES = (CHART / "values.yaml").read_text()


def test_the_schema_is_current() -> None:
    assert (CHART / "values.schema.json").read_text() == reference.schema(VALUES)


def test_the_page_is_current() -> None:
    current = reference.PAGE.read_text()

    assert current == reference.page(VALUES, current)


def test_the_crd_is_the_one_of_the_documentation() -> None:
    name = "tailscaleendpoints.yaml"

    assert (CHART / "files" / "crds" / name).read_bytes() == (
        ROOT / "docs" / "crds" / name
    ).read_bytes()


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_defaults_of_the_configuration_are_the_programs_own() -> None:
    of_the_chart: dict[str, Any] = {"pod": True, "recorder": {"directory": True}}
    defaults = Settings().model_dump(mode="json", by_alias=True, exclude=of_the_chart)
    values = yaml.safe_load(VALUES)
    del values["recorder"]["directory"]

    assert {key: values[key] for key in defaults} == defaults


def test_a_value_without_a_description_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^image\.tag has no description in values\.yaml$"):
        reference.values('# -- All.\nall: 1\nimage:\n  tag: ""\n')


def test_a_key_of_the_configuration_file_that_the_values_lack_is_named() -> None:
    without = VALUES.replace("\ndeniedCIDRs: []", "\ndeniedCidrs: []")

    with pytest.raises(ValueError, match=r"^values\.yaml lacks deniedCIDRs of the configuration"):
        reference.schema(without)


def test_a_description_ends_where_the_schema_begins() -> None:
    (value,) = reference.values(
        "# @section Ports\n# -- The\n# port.\n# @schema {minimum: 1}\np: 2\n"
    )

    assert (value.section, value.description) == ("Ports", "The port.")
    assert value.schema == {"description": "The port.", "type": "integer", "minimum": 1}


def test_every_file_of_the_ci_folder_stays_out_of_the_package() -> None:
    assert "ci/" in Path(CHART / ".helmignore").read_text().splitlines()
