"""A proxy in front of the API server that counts requests and makes faults."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.controlplane.access import ControlPlane
from tests.controlplane.exchange import Asked, Exchange, gone, read_request, reset
from tests.controlplane.faults import Fault


class FaultProxy:
    """Has the API server's certificate, and a loop and a thread of its own.

    So its methods may be called from a test with an event loop and from one without, and a test
    that blocks does not stop it.
    """

    def __init__(self, server: ControlPlane) -> None:
        self._server = server
        self._port = 0
        self._seen: list[Asked] = []
        self._faults: list[Fault] = []
        self._news = threading.Condition()
        self._clients: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    def __enter__(self) -> Self:
        self._thread.start()
        with self._news:
            assert self._news.wait_for(lambda: self._port, 10), "the proxy does not listen"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """The address to give to clients."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def open_connections(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    def kubeconfig(self, user: str = "admin", namespace: str = "default") -> Path:
        """Return a kubeconfig that leads through this proxy."""
        token = f"token-of-{user}"
        return self._server.write_kubeconfig(user, token, namespace, url=self.url)

    def service_account(self, namespace: str, name: str) -> Path:
        """Return a kubeconfig of this ServiceAccount that leads through this proxy."""
        token = self._server.service_account_token(namespace, name)
        user = f"{namespace}.{name}"
        return self._server.write_kubeconfig(user, token, namespace, url=self.url)

    def add(self, *faults: Fault) -> None:
        """Let these happen to the requests that match from now on."""
        with self._news:
            self._faults += faults

    def clear(self) -> None:
        """Take every fault away, and let everything flow; what was seen stays counted."""
        with self._news:
            self._faults.clear()
        self._tell(self._flowing.set)

    def cut(self) -> None:
        """Reset every connection that is open now."""

        def every() -> None:
            for client in self._clients:
                reset(client)

        self._tell(every)

    def freeze(self) -> None:
        """Let no byte of any answer through any more, without closing a connection."""
        self._tell(self._flowing.clear)

    def seen(self, method: str = ".*", path: str = "", watch: bool | None = None) -> list[Asked]:
        """Return the requests so far that match, as :class:`Fault` says."""
        with self._news:
            of_kind = [asked for asked in self._seen if watch in (None, asked.watch)]
        return [asked for asked in of_kind if asked.matches(method, path)]

    def count(self, method: str = ".*", path: str = "", watch: bool | None = None) -> int:
        """Return how many requests so far match."""
        return len(self.seen(method, path, watch))

    def wait_for(self, number: int, method: str = ".*", path: str = "", within: float = 10) -> None:
        """Return when so many requests that match have come; fail after so many seconds.

        It blocks: a test whose own loop sends the requests waits in ``asyncio.to_thread``.
        """
        with self._news:
            came = self._news.wait_for(
                lambda: sum(asked.matches(method, path) for asked in self._seen) >= number, within
            )
            known = [f"{asked.method} {asked.target}" for asked in self._seen]
        assert came, f"no {number} requests {method} {path} within {within} s, but {known}"

    def wait_until_left(self, within: float = 10) -> None:
        """Return when no client is connected any more; fail after so many seconds."""
        with self._news:
            left = self._news.wait_for(lambda: not self._clients, within)
        assert left, f"{len(self._clients)} clients are still connected after {within} s"

    def _tell(self, what: Callable[[], object]) -> None:
        async def there() -> None:
            what()

        asyncio.run_coroutine_threadsafe(there(), self._loop).result(10)

    async def _run(self) -> None:
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = self._server.folder
        serving.load_cert_chain(folder / "server.crt", folder / "server.key")
        self._asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._asking.load_verify_locations(self._server.ca)
        self._flowing.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=serving)
        with self._news:
            self._port = server.sockets[0].getsockname()[1]
            self._news.notify_all()
        await self._over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._clients.add(client)
        upstream = (int(self._server.url.rpartition(":")[2]), self._asking)
        try:
            while not client.is_closing() and (asked := await read_request(reader)):
                exchange = Exchange(asked, client, upstream, self._flowing)
                await _while_connected(self._act(asked)(exchange), client)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side has broken off, and so does the other
        finally:
            with self._news:
                self._clients.discard(client)
                self._news.notify_all()
            client.transport.abort()

    def _act(self, asked: Asked) -> Callable[[Exchange], Awaitable[None]]:
        with self._news:
            self._seen.append(asked)
            self._news.notify_all()
            for fault in self._faults:
                if fault.takes(asked):
                    fault.hits += 1
                    return fault.act
        return Exchange.relay


async def _while_connected(doing: Awaitable[None], client: asyncio.StreamWriter) -> None:
    """Do it, unless the client goes: then break it off."""
    tasks = [asyncio.ensure_future(doing), asyncio.ensure_future(gone(client))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    result, _ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(result, Exception):
        raise result
