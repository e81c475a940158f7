from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A reader's machine, with an API server and a tailnet, in which nothing is installed yet."""
    with ExitStack() as ends:
        yield World(tmp_path, ends)
