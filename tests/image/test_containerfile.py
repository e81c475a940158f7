"""What can be seen of the image without building it; tests/image/check.sh builds and runs it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Containerfile").read_text().splitlines()


def instructions(name: str) -> list[str]:
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{name} ")]


def test_the_user_is_a_number_that_the_chart_names_too() -> None:
    values = (ROOT / "helm" / "tailnet-discovery" / "values.yaml").read_text()

    assert instructions("USER") == ["65532:65532"]
    assert values.count("65532") == 3


def test_the_program_is_the_first_process_and_gets_the_signals() -> None:
    assert instructions("ENTRYPOINT") == ['["tailnet-discovery"]']


def test_nothing_is_fetched_while_it_is_built() -> None:
    text = "\n".join(LINES)

    assert instructions("FROM") == ["${PYTHON} AS build", "${PYTHON}"]
    assert instructions("ARG")[0] == "PYTHON=python:3.13-slim"
    assert "--no-index" in text
    assert not re.search(r"https?://|apt-get|curl|wget", text)


def test_only_the_wheels_are_sent_to_the_builder() -> None:
    assert (ROOT / ".dockerignore").read_text().splitlines() == ["*", "!dist/wheelhouse"]
