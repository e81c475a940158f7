"""The controller's servers on loopback, and a client that knows nothing of them."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest

from discovery.metrics import Metrics
from discovery.settings import ListenAddress, ListenSettings
from discovery.web.serving import Served, serve

ANYWHERE = ListenAddress("127.0.0.1", 0)


def listen(health: ListenAddress, metrics: ListenAddress) -> ListenSettings:
    return ListenSettings(health=health, metrics=metrics)


class State:
    """What the checks say; a test changes it while the servers run."""

    def __init__(self) -> None:
        self.alive: str | None = None
        self.caches: str | None = None
        self.cluster: str | None = None


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def served(state: State, metrics: Metrics) -> AsyncIterator[Served]:
    ready = {"caches": lambda: state.caches, "cluster": lambda: state.cluster}
    addresses = listen(ANYWHERE, ListenAddress("127.0.0.1", free_port()))
    async with serve(addresses, metrics, lambda: state.alive, ready) as served:
        yield served


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@contextmanager
def taken() -> Iterator[int]:
    """Listen on a port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def free_port() -> int:
    with taken() as port:
        return port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with taken() as port:
        yield port
