"""A proxy in front of the simulator that records what was really served, and tells small lies.

Each answer goes to the client whole, as it came, or changed by the lie that is in force; what the
simulator breaks off is broken off here too.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urlsplit

LIST: Final = re.compile(r"/api/v2/tailnet/[^/]+/devices")
DEVICE: Final = re.compile(r"/api/v2/device/([^/]+)")
Lie = Callable[[bytes], bytes]


class Tap:
    """``on_list`` and ``on_answer`` are told of each answer before the client has it.

    An answer that was broken off has status 0. ``lie`` changes the bodies of good lists.
    """

    def __init__(
        self,
        upstream: str,
        on_list: Callable[[int, bytes], None],
        on_answer: Callable[[str, int, bytes], None],
    ) -> None:
        self.lie: Lie | None = None
        self.lists = 0
        self.answers = 0
        self._port = int(upstream.rpartition(":")[2])
        self._on_list = on_list
        self._on_answer = on_answer
        self._clients: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for client in list(self._clients):
            client.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._clients.add(client)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not await self._exchange(head, client):
                    break
        self._clients.discard(client)
        client.close()

    async def _exchange(self, request: bytes, client: asyncio.StreamWriter) -> bool:
        """Serve one request without a body; tell whether its connection goes on."""
        path = urlsplit(request.split(b" ", 2)[1].decode()).path
        status, head, body, is_whole = await self._ask(request)
        if LIST.fullmatch(path):
            self.lists += 1
            if self.lie is not None and status == 200 and is_whole:
                body = self.lie(body)
                head = re.sub(rb"(?i)(content-length: )\d+", rb"\g<1>%d" % len(body), head)
            self._on_list(status if is_whole else 0, body)
        elif found := DEVICE.fullmatch(path):
            self.answers += 1
            self._on_answer(unquote(found[1]), status if is_whole else 0, body)
        client.write(head + body)
        await client.drain()
        return is_whole and bool(head)

    async def _ask(self, request: bytes) -> tuple[int, bytes, bytes, bool]:
        """Return status, head and body of the answer, and whether it is whole."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head, body = b"", b""
        try:
            writer.write(re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", request))
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
        except asyncio.IncompleteReadError as cut:
            if not head:
                return 0, b"", b"", False
            return _status(head), head, cut.partial, False
        except OSError:
            return 0, head, body, False
        finally:
            writer.transport.abort()
        return _status(head), head, body, True


def _status(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])
