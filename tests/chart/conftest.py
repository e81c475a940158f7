from pathlib import Path

import pytest

from tests.chart.helm import Helm
from tests.controlplane.programs import client_program


def found(major: int, home: Path) -> Helm:
    return Helm(major, client_program("helm", major), home)


@pytest.fixture(scope="session")
def helm3(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return found(3, tmp_path_factory.mktemp("helm3"))


@pytest.fixture(scope="session")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The newer one, for what can not differ: another test compares what the two render."""
    return found(4, tmp_path_factory.mktemp("helm4"))


@pytest.fixture(scope="session", params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    """Each of the two."""
    chosen: Helm = request.getfixturevalue(request.param)
    return chosen
