"""The HTTP session with an API server, and what aiohttp must be kept from doing in it."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from weakref import WeakSet

import aiohttp

_KEEP_ALIVE: Final = 60.0  # seconds that an idle connection is kept; the API server does for 90
_LONGEST_END: Final = 1.0  # seconds


@asynccontextmanager
async def open_session(tls: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session that reads nothing from the environment; no connection outlives it."""
    sockets = _Sockets()
    try:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=tls, keepalive_timeout=_KEEP_ALIVE, socket_factory=sockets.make
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**18,
        ) as session:
            # aiohttp would send a PUT or DELETE again when the answer is lost, and what the second
            # answer says (a conflict, not found) would be the opposite of what happened.
            session._retry_connection = False  # noqa: SLF001 - there is no public switch
            yield session
    finally:
        await sockets.end()


class _Sockets:
    """Makes sockets for aiohttp, and ends those that are left.

    aiohttp says farewell by TLS on a connection whose answer was not read to its end, and does not
    wait for the reply. A server that is gone or hangs never replies: without this the connection
    would stay for half a minute, or until the event loop is closed under it.
    """

    def __init__(self) -> None:
        self._made: WeakSet[socket.socket] = WeakSet()

    def make(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return a new socket for an address."""
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        self._made.add(made)
        return made

    async def end(self) -> None:
        """Break off what is still open, and let the event loop notice it."""
        for made in self._open():
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_END):
                while self._open():  # noqa: ASYNC110 - nobody tells when a transport has ended
                    await asyncio.sleep(0)

    def _open(self) -> list[socket.socket]:
        return [made for made in self._made if made.fileno() >= 0]
