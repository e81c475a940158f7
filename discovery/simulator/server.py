"""The simulator on a socket, inside the event loop of whoever needs it."""

import asyncio
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from discovery.simulator.app import application
from discovery.simulator.state import SimulatorState
from discovery.simulator.webhooks import is_loopback


class Simulator:
    """``async with Simulator(state) as simulator`` serves ``state`` at ``simulator.url``.

    A free port is taken where none is given. OSError means that the address can not be listened
    on, ValueError that it is not this machine's own loopback.
    """

    def __init__(
        self, state: SimulatorState | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        if not is_loopback(host):
            raise ValueError(f"{host} is not a loopback address")
        self.state = SimulatorState() if state is None else state
        self.url = ""
        # "localhost" may be two addresses, which would be two ports.
        self.address = ("127.0.0.1" if host == "localhost" else host, port)
        self._connections = ServerState()

    async def __aenter__(self) -> Self:
        config = uvicorn.Config(
            application(self.state), ws="none", log_config=None, access_log=False
        )
        config.load()

        def connection() -> _Connection:
            return _Connection(config, self._connections, {})

        host, port = self.address
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(connection, host, port)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop at once: connections are cut, and requests see it as a client that went away."""
        self._server.close()
        for connection in list(self._connections.connections):
            connection.transport.abort()
        if self._connections.tasks:
            await asyncio.wait(self._connections.tasks)
        await self._server.wait_closed()


class _Connection(H11Protocol):
    """A connection whose requests know their transport, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state: dict[str, Any] = {"transport": transport}
        super().connection_made(transport)
