"""One request through the fault proxy, and the bytes of it and of its answer."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

CHUNK = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: the peer sees a reset


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: ``target`` is the path with its query, ``raw`` every byte."""

    method: str
    target: str
    raw: bytes

    @property
    def watch(self) -> bool:
        """Whether this asks for a stream of changes."""
        return parse_qs(urlsplit(self.target).query).get("watch") in (["true"], ["1"])

    def matches(self, method: str, path: str) -> bool:
        """Tell whether the method is one of ``GET|PUT``, and the target has what ``path`` finds."""
        return bool(re.fullmatch(method, self.method) and re.search(path, self.target))


async def read_request(client: asyncio.StreamReader) -> Asked | None:
    """Return the next request with its body, or None at the end of the connection."""
    try:
        head = await client.readuntil(b"\r\n\r\n")
        body = await _read_body(client, head)
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        return None
    method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
    return Asked(method, target, head + body)


async def _read_body(client: asyncio.StreamReader, head: bytes) -> bytes:
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if length:
        return await client.readexactly(int(length[1]))
    if not re.search(rb"\r\ntransfer-encoding: *chunked", head, re.IGNORECASE):
        return b""
    body = b""
    while not body.endswith(b"\r\n0\r\n\r\n") and body != b"0\r\n\r\n":
        size = await client.readline()
        body += size + await client.readexactly(int(size, 16) + 2)
    return body


class Exchange:
    """What a fault may do with a request: pass it on, pass its answer back, or break off."""

    def __init__(
        self,
        asked: Asked,
        client: asyncio.StreamWriter,
        upstream: tuple[int, ssl.SSLContext],
        flowing: asyncio.Event,
    ) -> None:
        self.asked = asked
        self._client = client
        self._upstream = upstream
        self._flowing = flowing

    async def relay(self, *, most: int | None = None) -> None:
        """Pass the request on and its answer back: the head, and at most so many bytes of body."""
        async with self._asked_upstream() as (head, server):
            await self.write(head.replace(b"\r\nConnection: close", b""))
            await self._relay_body(server, most)

    async def pass_on(self) -> None:
        """Pass the request on, and the answer to nobody."""
        async with self._asked_upstream():
            pass

    @asynccontextmanager
    async def _asked_upstream(self) -> AsyncIterator[tuple[bytes, asyncio.StreamReader]]:
        """Send the request to the API server; return the head of its answer, and the rest."""
        port, context = self._upstream
        server, sending = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="127.0.0.1"
        )
        try:
            sending.write(_last_on_its_connection(self.asked.raw))
            yield await server.readuntil(b"\r\n\r\n"), server
        finally:
            sending.transport.abort()

    async def _relay_body(self, server: asyncio.StreamReader, most: int | None) -> None:
        left = most
        while left is None or left > 0:
            part = await server.read(CHUNK if left is None else min(CHUNK, left))
            if not part:
                return
            await self.write(part)
            left = left if left is None else left - len(part)

    async def write(self, content: bytes) -> None:
        """Send bytes to the client, once everything may flow."""
        await self._flowing.wait()
        self._client.write(content)
        await self._client.drain()

    def close(self) -> None:
        """End the client's connection, as a server that stops does."""
        self._client.close()

    def reset(self) -> None:
        """Break the client's connection off."""
        reset(self._client)

    async def gone(self) -> None:
        """Return when the client has closed the connection."""
        await gone(self._client)


def reset(client: asyncio.StreamWriter) -> None:
    """Break a connection off: what the peer sees is a reset."""
    connection = client.get_extra_info("socket")
    if connection is not None:  # None once it is closing by itself
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    client.transport.abort()


async def gone(client: asyncio.StreamWriter) -> None:
    """Return when the connection is closed, by whichever side."""
    with suppress(ConnectionError, ssl.SSLError):
        await asyncio.shield(client.wait_closed())


def _last_on_its_connection(request: bytes) -> bytes:
    """Return the request so that the end of the connection is the end of its answer."""
    head, end, body = request.partition(b"\r\n\r\n")
    head = re.sub(rb"\r\nconnection: [^\r]*", b"", head, flags=re.IGNORECASE)
    return head + b"\r\nConnection: close" + end + body
