"""The servers of health and metrics, in the event loop of the controller.

They run beside what they tell about on purpose: an answer shows that the loop turns. uvicorn brings
the protocol; its own server object is not used, since it takes over the process's signals.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from discovery.metrics import Metrics
from discovery.settings import ConfigError, ListenAddress, ListenSettings, problem
from discovery.web.health import Check, Heartbeat, application, health_routes, metrics_routes

_STOP_WITHIN: Final = 0.5  # seconds for answers under way


class Served(NamedTuple):
    """Where the two are served, with the ports that were really taken."""

    health: str
    metrics: str


@asynccontextmanager
async def serve(
    listen: ListenSettings, metrics: Metrics, alive: Check, ready: Mapping[str, Check]
) -> AsyncIterator[Served]:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics`` for the time of the context.

    ``alive`` tells whether the controller's main task still runs; ``ready`` are the conditions of
    readiness by name. Raises ConfigError where an address can not be listened on, before anything
    is served. The same address for both is one server for both.
    """
    heartbeat = Heartbeat()
    health = health_routes((heartbeat.check, alive), ready)
    scrape = metrics_routes(metrics)
    async with AsyncExitStack() as stack:

        async def listening(key: str, address: ListenAddress, app: Starlette) -> str:
            return await stack.enter_async_context(_listening(key, address, app))

        if listen.health == listen.metrics:
            both = await listening("listen.health", listen.health, application([*health, *scrape]))
            served = Served(both, both)
        else:
            served = Served(
                await listening("listen.health", listen.health, application(health)),
                await listening("listen.metrics", listen.metrics, application(scrape)),
            )
        beating = asyncio.create_task(heartbeat.beat())
        stack.callback(beating.cancel)
        yield served


@asynccontextmanager
async def _listening(key: str, address: ListenAddress, app: Starlette) -> AsyncIterator[str]:
    """Serve one application at one address, and yield its URL."""
    config = uvicorn.Config(
        app, http=H11Protocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            lambda: H11Protocol(config, state, {}), address.host, address.port
        )
    except OSError as error:
        raise _not_listening(key, address, error) from error
    try:
        yield _url(server.sockets)
    finally:
        server.close()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_STOP_WITHIN)
        for connection in list(state.connections):
            connection.transport.abort()
        await server.wait_closed()


def _url(sockets: Sequence[socket.socket]) -> str:
    host, port = sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _not_listening(key: str, address: ListenAddress, error: OSError) -> ConfigError:
    # asyncio puts its own words around the system's; the number leads back to these.
    known = error.errno is not None and error.errno > 0
    reason = os.strerror(error.errno) if known and error.errno else error.strerror
    advice = f"End what listens there, or set {key} to another address."
    return ConfigError(problem(f"can not listen: {reason}", f"{key} {address}", advice))
