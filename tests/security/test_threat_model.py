"""The page that says who could do what names tests that exist, and answers each threat."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def functions_of(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    source = path.read_text() if path.exists() else ""
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


def threats() -> list[tuple[str, str]]:
    """Return each entry's first words and all of it."""
    entries = re.split(r"^- ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return [(re.findall(r"\*\*(.+?)\*\*", entry, re.DOTALL)[0], entry) for entry in entries]


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 50
    assert [
        f"{path}::{test}" for path, test in named if test not in functions_of(ROOT / path)
    ] == []


def test_every_threat_has_a_test_or_is_called_not_stopped() -> None:
    found = threats()
    assert len(found) > 25
    unanswered = {what for what, entry in found if not NAMED.search(entry)}
    assert unanswered == {"Not stopped:"}


def test_every_party_has_something_that_is_not_stopped() -> None:
    _, *parties = PAGE.read_text().split("\n## ")
    assert len(parties) == 9
    assert [one.partition("\n")[0] for one in parties if "**Not stopped:**" not in one] == []
