import asyncio
import signal
import socket
from contextlib import AsyncExitStack

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from discovery.metrics import Metrics
from discovery.settings import ConfigError, ListenAddress, ListenSettings
from discovery.web.health import application
from discovery.web.serving import Served, _listening, serve
from tests.web.conftest import ANYWHERE, free_port, listen


def loopback(port: int) -> ListenAddress:
    return ListenAddress("127.0.0.1", port)


async def start(stack: AsyncExitStack, addresses: ListenSettings) -> Served:
    return await stack.enter_async_context(serve(addresses, Metrics(), lambda: None, {}))


async def test_one_address_for_both_is_one_server(http: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as stack:
        served = await start(stack, listen(ANYWHERE, ANYWHERE))

        assert served.health == served.metrics
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await http.get(f"{served.health}{path}")).status_code == 200
        assert (await http.get(f"{served.health}/")).text == (
            "There is no such path here; there are /healthz, /readyz, /metrics.\n"
        )


async def test_without_a_host_every_address_is_listened_on(http: httpx.AsyncClient) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        await start(stack, listen(ListenAddress("", port), ANYWHERE))

        assert (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200


async def test_a_health_port_in_use_is_one_clear_line(taken_port: int) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigError) as failure:
            await start(stack, listen(loopback(taken_port), ANYWHERE))

    assert str(failure.value) == (
        f"can not listen: Address already in use (listen.health 127.0.0.1:{taken_port}). "
        "End what listens there, or set listen.health to another address."
    )


async def test_a_metrics_port_in_use_gives_the_health_port_back(taken_port: int) -> None:
    health = loopback(free_port())
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigError, match=rf"listen\.metrics 127\.0\.0\.1:{taken_port}"):
            await start(stack, listen(health, loopback(taken_port)))

    socket.create_server(health).close()


async def test_a_host_that_is_none_is_one_clear_line() -> None:
    nowhere = ListenAddress("host.invalid", 0)
    async with AsyncExitStack() as stack:
        with pytest.raises(
            ConfigError, match=r"^can not listen: .+ \(listen\.health host\.invalid"
        ):
            await start(stack, listen(nowhere, ANYWHERE))


async def test_an_address_of_another_machine_is_one_clear_line() -> None:
    elsewhere = ListenAddress("192.0.2.1", 0)
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigError, match="Cannot assign requested address"):
            await start(stack, listen(elsewhere, ANYWHERE))


async def test_nothing_is_served_afterwards() -> None:
    async with AsyncExitStack() as stack:
        served = await start(stack, listen(ANYWHERE, ANYWHERE))
        port = int(served.health.rpartition(":")[2])

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_connection_that_is_kept_open_does_not_delay_the_end() -> None:
    async with AsyncExitStack() as stack:
        served = await start(stack, listen(ANYWHERE, ANYWHERE))
        port = int(served.health.rpartition(":")[2])
        silent, writer = await asyncio.open_connection("127.0.0.1", port)
        begun, half = await asyncio.open_connection("127.0.0.1", port)
        half.write(b"GET /healthz HT")
        kept, other = await asyncio.open_connection("127.0.0.1", port)
        other.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await kept.readuntil(b"ok\n")
        async with asyncio.timeout(1):
            await stack.aclose()

    for reader in (silent, begun, kept):
        assert await reader.read() == b""
    for open_end in (writer, half, other):
        open_end.close()


async def test_an_answer_that_takes_long_is_cut() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def hang(request: Request) -> Response:
        asked.set()
        await go_on.wait()
        return Response()

    app = application([Route("/", hang)])
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_listening("listen.health", ANYWHERE, app))
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        async with asyncio.timeout(1):
            await stack.aclose()

    async with asyncio.timeout(1):
        assert await reader.read() == b""
    writer.close()
    go_on.set()


async def test_an_answer_under_way_is_finished() -> None:
    asked = asyncio.Event()

    async def take_a_moment(request: Request) -> Response:
        asked.set()
        for _ in range(10):
            await asyncio.sleep(0)
        return Response("said")

    app = application([Route("/", take_a_moment)])
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_listening("listen.health", ANYWHERE, app))
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        await stack.aclose()

    assert (await reader.read()).endswith(b"said")
    writer.close()


async def test_the_signals_stay_the_controllers() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with AsyncExitStack() as stack:
        await start(stack, listen(ANYWHERE, ANYWHERE))

        assert signal.getsignal(signal.SIGTERM) is before


async def test_requests_are_not_logged(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        served = await start(stack, listen(ANYWHERE, ANYWHERE))
        with caplog.at_level("INFO"):
            await http.get(f"{served.health}/healthz")

    assert [record.name for record in caplog.records if record.name != "httpx"] == []


async def test_the_heart_beats_while_it_serves() -> None:
    async with AsyncExitStack() as stack:
        await start(stack, listen(ANYWHERE, ANYWHERE))

        assert "Heartbeat.beat" in {str(task.get_coro()).split()[2] for task in asyncio.all_tasks()}


async def test_no_task_stays_behind() -> None:
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        await start(stack, listen(ANYWHERE, ANYWHERE))
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == before
