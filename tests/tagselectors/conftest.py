from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).parents[2] / "fixtures" / "selectors"


def pytest_generate_tests(metafunc: Any) -> None:
    """Give each case of the fixture tables to the tests that ask for a ``case``."""
    if "case" in metafunc.fixturenames:
        cases: list[dict[str, Any]] = [
            case
            for file in sorted(CASES.glob("*.yaml"))
            for case in yaml.safe_load(file.read_text(encoding="utf-8"))
        ]
        metafunc.parametrize("case", cases, ids=[case["name"] for case in cases])
