from collections.abc import Callable
from typing import Any

import pytest

from tests.api import objects

Object = dict[str, Any]


@pytest.fixture
def endpoint() -> Callable[..., Object]:
    return objects.endpoint


@pytest.fixture
def object_of() -> Callable[..., Object]:
    return objects.object_of
