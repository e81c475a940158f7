"""No test here sends anything beyond loopback."""

import asyncio
import socket
from collections.abc import Collection
from typing import Any

import pytest

from discovery.diagnosis import routes
from discovery.diagnosis.routes import Target, check_names, check_route, targets
from tests.diagnosis.conftest import NOW, MakeSource, device

WAYS = ("tailscaled on every node", "a subnet router or Tailscale's Connector", "as a proxy")


class Dialler:
    """Answers for each address and port what a test says; everything else is silent."""

    def __init__(self, answers: dict[tuple[str, int], OSError | None] | None = None) -> None:
        self.answers = answers or {}
        self.asked: set[tuple[str, int]] = set()

    async def __call__(self, address: str, port: int) -> None:
        self.asked.add((address, port))
        answer = self.answers.get((address, port), TimeoutError())
        if answer is not None:
            raise answer


def endpoint_slice(
    *endpoints: tuple[str, str], ports: tuple[int, ...] = (8080,), protocol: str = "TCP"
) -> dict[str, Any]:
    return {
        "ports": [{"name": f"p{n}", "port": n, "protocol": protocol} for n in ports],
        "endpoints": [{"hostname": name, "addresses": [address]} for name, address in endpoints],
    }


async def test_a_connection_is_a_route() -> None:
    dialler = Dialler({("100.64.0.1", 443): None})

    check = await check_route([Target("api", "100.64.0.1")], dialler)

    assert (check.result, check.detail) == ("ok", "api (100.64.0.1:443 connected)")
    assert dialler.asked == {("100.64.0.1", 22), ("100.64.0.1", 80), ("100.64.0.1", 443)}


async def test_a_refusal_is_a_route() -> None:
    dialler = Dialler({("100.64.0.1", 22): ConnectionRefusedError()})

    check = await check_route([Target("api", "100.64.0.1")], dialler)

    assert (check.result, check.detail) == ("ok", "api (100.64.0.1:22 refused)")


async def test_silence_is_a_warning_that_names_the_three_ways() -> None:
    check = await check_route([Target("api", "100.64.0.1", (8080,))], Dialler())

    assert check.result == "warning"
    assert check.detail.startswith(
        "nobody answered: api (100.64.0.1, ports 8080: silent for 3 s). There are three ways: "
    )
    assert [way for way in WAYS if way not in check.detail] == []


async def test_unreachable_is_a_warning_in_the_systems_words() -> None:
    unreachable = OSError(113, "No route to host")
    dialler = Dialler({("100.64.0.1", 8080): unreachable})

    check = await check_route([Target("api", "100.64.0.1", (8080,))], dialler)

    assert check.result == "warning"
    assert "api (100.64.0.1, ports 8080: no route to host)" in check.detail


async def test_one_silent_machine_among_others_is_a_warning_about_access_rules() -> None:
    dialler = Dialler({("100.64.0.1", 8080): None})
    chosen = [Target("api", "100.64.0.1", (8080,)), Target("web", "100.64.0.2", (8080,))]

    check = await check_route(chosen, dialler)

    assert (check.result, check.detail) == (
        "warning",
        (
            "api (100.64.0.1:8080 connected); but not web (100.64.0.2, ports 8080: silent for "
            "3 s). Do the access rules allow it?"
        ),
    )


async def test_a_dial_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "PATIENCE", 0.01)

    async def hang(address: str, port: int) -> None:
        await asyncio.Event().wait()

    check = await check_route([Target("api", "100.64.0.1", (8080,))], hang)

    assert "silent for 0.01 s" in check.detail


async def test_nobody_to_try_is_skipped() -> None:
    check = await check_route([], Dialler())

    assert (check.result, check.detail) == ("skipped", "no machine is known that could be tried")


async def test_the_real_dialler_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        await routes.connect("127.0.0.1", listening.getsockname()[1])


async def test_the_real_dialler_is_refused_by_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    with pytest.raises(ConnectionRefusedError):
        await routes.connect("127.0.0.1", port)


async def test_endpoints_are_tried_before_other_devices(source: MakeSource) -> None:
    tailnet = source([device(1, "tag:a"), device(2, "tag:a")])
    await tailnet.poll(NOW)

    chosen = targets([tailnet], [endpoint_slice(("host-2", "100.64.0.2"))])

    assert chosen == [
        Target("host-2", "100.64.0.2", (8080,)),
        Target("host-1", "100.64.0.1", (22, 80, 443)),
    ]


async def test_devices_that_are_online_are_tried_first(source: MakeSource) -> None:
    tailnet = source([device(1, "tag:a", online=False), device(2, "tag:a")])
    await tailnet.poll(NOW)

    assert [target.name for target in targets([tailnet], [])] == ["host-2", "host-1"]


async def test_three_machines_are_tried_at_most(source: MakeSource) -> None:
    tailnet = source([device(number, "tag:a") for number in range(1, 9)])
    await tailnet.poll(NOW)

    assert [target.name for target in targets([tailnet], [])] == ["host-1", "host-2", "host-3"]


async def test_an_excluded_device_is_not_tried(source: MakeSource) -> None:
    tailnet = source([device(1), device(2, "tag:a")])
    await tailnet.poll(NOW)

    assert [target.name for target in targets([tailnet], [])] == ["host-2"]


@pytest.mark.parametrize(
    "one",
    [
        endpoint_slice(("x", "100.64.0.9"), protocol="UDP"),
        endpoint_slice(("x", "100.64.0.9"), ports=()),
        endpoint_slice(("x", "10.0.0.1")),
        endpoint_slice(("x", "x.company.ts.net")),
        {"ports": None, "endpoints": None},
    ],
)
def test_what_is_no_tcp_endpoint_of_a_tailnet_is_not_tried(one: dict[str, Any]) -> None:
    assert targets([], [one]) == []


def resolver(*addresses: str) -> routes.Resolve:
    async def resolve(name: str) -> Collection[str]:
        del name
        return addresses

    return resolve


async def test_a_name_that_leads_to_its_device_resolves(source: MakeSource) -> None:
    tailnet = source([device(1, "tag:a")])
    await tailnet.poll(NOW)

    check = await check_names([tailnet], resolver("100.64.0.1"))

    assert (check.result, check.detail) == ("ok", "host-1.company.ts.net resolves (MagicDNS)")


async def test_a_name_that_leads_elsewhere_does_not_resolve(source: MakeSource) -> None:
    tailnet = source([device(1, "tag:a")])
    await tailnet.poll(NOW)

    check = await check_names([tailnet], resolver("192.0.2.1", "fe80::1%eth0"))

    assert (check.result, check.detail) == (
        "skipped",
        "host-1.company.ts.net does not resolve to its address here; nothing depends on it",
    )


async def test_an_unknown_name_is_skipped(source: MakeSource) -> None:
    tailnet = source([device(1, "tag:a")])
    await tailnet.poll(NOW)

    async def unknown(name: str) -> Collection[str]:
        raise socket.gaierror(-2, "Name or service not known")

    assert (await check_names([tailnet], unknown)).result == "skipped"


async def test_names_without_a_device_are_skipped(source: MakeSource) -> None:
    check = await check_names([source([])], resolver())

    assert (check.result, check.detail) == (
        "skipped",
        "no device has a full name that could be asked for",
    )


async def test_the_real_resolver_knows_loopback() -> None:
    assert "127.0.0.1" in await routes.resolve("127.0.0.1")
