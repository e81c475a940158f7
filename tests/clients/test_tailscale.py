from collections.abc import Awaitable

import httpx
import pytest

from discovery.clients.errors import (
    APIError,
    AuthError,
    MalformedAnswerError,
    NotFoundError,
    TransientError,
)
from discovery.clients.tailscale import TailscaleClient
from discovery.settings.credentials import ApiKey
from discovery.tailnet import Device, VIPService
from tests.clients.conftest import Clock, ScriptedServer, Then

DEVICE = {"nodeId": "n1", "addresses": ["100.64.0.1"]}
NOT_FOUND = {"message": "not found"}
SERVICES = "/api/v2/tailnet/-/services"
VIP_SERVICES = "/api/v2/tailnet/-/vip-services"


async def failure(question: Awaitable[object]) -> APIError:
    with pytest.raises(APIError) as caught:
        await question
    return caught.value


def targets(server: ScriptedServer) -> list[str]:
    return [asked.target for asked in server.requests]


async def test_devices_are_listed_with_the_default_fields(
    client: TailscaleClient, server: ScriptedServer
) -> None:
    server.say({"devices": [DEVICE]})
    listed = await client.devices()
    assert listed.devices == (Device(node_id="n1", addresses=("100.64.0.1",)),)
    assert targets(server) == ["/api/v2/tailnet/-/devices?fields=default"]


async def test_unchanged_devices_are_the_objects_of_the_previous_list(
    client: TailscaleClient, server: ScriptedServer
) -> None:
    server.say({"devices": [DEVICE]})
    server.say({"devices": [DEVICE, {**DEVICE, "nodeId": "n2"}]})
    first = await client.devices()
    second = await client.devices(first)
    assert second.devices[0] is first.devices[0]


@pytest.mark.parametrize("base", ["", "/", "//", "/api/v2", "/api/v2/"])
async def test_a_base_url_may_end_in_what_every_path_brings_along(
    server: ScriptedServer, http: httpx.AsyncClient, api_key: ApiKey, base: str
) -> None:
    server.say({"devices": []})
    await TailscaleClient(http, lambda: api_key, base_url=server.url + base).devices()
    assert targets(server) == ["/api/v2/tailnet/-/devices?fields=default"]


async def test_a_base_url_may_have_a_path(
    server: ScriptedServer, http: httpx.AsyncClient, api_key: ApiKey
) -> None:
    server.say({"devices": []})
    await TailscaleClient(http, lambda: api_key, base_url=f"{server.url}/ts/").devices()
    assert targets(server) == ["/ts/api/v2/tailnet/-/devices?fields=default"]


@pytest.mark.parametrize(
    "base",
    [
        "",
        "api.tailscale.com",
        "ftp://api.tailscale.com",
        "https://",
        "https://user:hunter2@api.tailscale.com",
        "https://api.tailscale.com/?key=hunter2",
        "https://api.tailscale.com/#hunter2",
        "https://api.tailscale.com:port",
    ],
)
def test_a_base_url_that_is_none_is_refused(
    http: httpx.AsyncClient, api_key: ApiKey, base: str
) -> None:
    with pytest.raises(ValueError, match="the base URL") as caught:
        TailscaleClient(http, lambda: api_key, base_url=base)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("tailnet", "segment"),
    [
        ("T1234CNTRL", "T1234CNTRL"),
        ("user@example.com", "user@example.com"),
        ("a/b", "a%2Fb"),
        ("a b?c#d%e", "a%20b%3Fc%23d%25e"),
        ("ä", "%C3%A4"),
        ("...", "..."),
    ],
)
async def test_the_tailnet_is_one_segment_of_the_path(
    server: ScriptedServer, http: httpx.AsyncClient, api_key: ApiKey, tailnet: str, segment: str
) -> None:
    server.say({"devices": []})
    await TailscaleClient(http, lambda: api_key, base_url=server.url, tailnet=tailnet).devices()
    assert targets(server) == [f"/api/v2/tailnet/{segment}/devices?fields=default"]


@pytest.mark.parametrize("tailnet", ["", ".", ".."])
def test_a_tailnet_that_can_not_stand_in_a_path_is_refused(
    http: httpx.AsyncClient, api_key: ApiKey, tailnet: str
) -> None:
    with pytest.raises(ValueError, match="can not stand in a path"):
        TailscaleClient(http, lambda: api_key, tailnet=tailnet)


async def test_a_list_is_asked_again_after_a_transient_failure(
    client: TailscaleClient, server: ScriptedServer, clock: Clock
) -> None:
    server.say(b"<html>bad gateway</html>", 502)
    server.say_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}")
    server.say_raw(b"", Then.RESET)
    server.say({"message": "too many requests"}, 429, {"Retry-After": "2"})
    server.say({"message": "busy"}, 503, {"Retry-After": "Wed, 25 Nov 2026 12:00:20 GMT"})
    server.say({"devices": []})
    await client.devices()
    assert len(clock.waits) == 5
    assert 2 <= clock.waits[3] <= 6
    assert clock.seconds >= 1020


async def test_a_long_outage_ends_in_the_last_error(
    client: TailscaleClient, server: ScriptedServer, clock: Clock
) -> None:
    for _ in range(100):
        server.say({"message": "busy"}, 503)
    error = await failure(client.devices())
    assert type(error) is TransientError
    assert str(error) == "busy (GET /api/v2/tailnet/-/devices, HTTP 503)"
    assert clock.seconds < 1030


async def test_a_dripping_body_ends_at_the_deadline(
    server: ScriptedServer, http: httpx.AsyncClient, api_key: ApiKey, clock: Clock
) -> None:
    server.say_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{", Then.WAIT)
    client = TailscaleClient(
        http, lambda: api_key, base_url=server.url, patience=clock.patience(0.02)
    )
    error = await failure(client.devices())
    assert error.message == "no complete answer within 0.02 s"
    assert error.where == "GET /api/v2/tailnet/-/devices"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"<html>", 200),
        (b"null", 200),
        (b"{}", 200),
        (b'{"devices":null}', 200),
        (b'{"Devices":[]}', 200),
        (b'{"devices":[', 200),
        (b'{"devices":[]}', 203),
        (b"", 204),
        (b'{"devices":[]}', 300),
        (b"", 304),
    ],
)
async def test_what_is_no_device_list_is_an_error_at_once(
    client: TailscaleClient, server: ScriptedServer, clock: Clock, body: bytes, status: int
) -> None:
    server.say(body, status, {"X-Tailscale-Request-Id": "REQ-7"})
    error = await failure(client.devices())
    assert type(error) is MalformedAnswerError
    assert (error.where, error.status, error.request_id) == (
        "GET /api/v2/tailnet/-/devices",
        status,
        "REQ-7",
    )
    assert (len(server.requests), clock.waits) == (1, [])


@pytest.mark.parametrize("status", [400, 402, 403, 409])
async def test_a_refusal_is_an_error_at_once(
    client: TailscaleClient, server: ScriptedServer, clock: Clock, status: int
) -> None:
    server.say({"message": "no"}, status)
    await failure(client.devices())
    assert (len(server.requests), clock.waits) == (1, [])


async def test_a_device_list_is_never_not_found(
    client: TailscaleClient, server: ScriptedServer
) -> None:
    server.say(NOT_FOUND, 404, {"X-Tailscale-Request-Id": "REQ-7"})
    error = await failure(client.devices())
    assert type(error) is AuthError
    assert "devices:core:read" in error.message
    assert (error.status, error.request_id) == (404, "REQ-7")


async def test_a_path_nobody_knows_is_about_the_base_url(
    client: TailscaleClient, server: ScriptedServer
) -> None:
    server.say(b"404 page not found", 404)
    error = await failure(client.devices())
    assert type(error) is MalformedAnswerError
    assert "base URL" in error.message


async def test_one_device(client: TailscaleClient, server: ScriptedServer) -> None:
    server.say(DEVICE)
    assert await client.device("n/1") == Device(node_id="n1", addresses=("100.64.0.1",))
    assert targets(server) == ["/api/v2/device/n%2F1?fields=default"]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (NOT_FOUND, 404, NotFoundError),
        (b"404 page not found", 404, MalformedAnswerError),
        (b"<html>", 404, MalformedAnswerError),
        ({"message": "no"}, 403, AuthError),
        (b"", 204, MalformedAnswerError),
        ({}, 200, MalformedAnswerError),
        ({"devices": []}, 200, MalformedAnswerError),
    ],
)
async def test_only_the_apis_own_404_says_that_a_device_is_gone(
    client: TailscaleClient,
    server: ScriptedServer,
    body: object,
    status: int,
    kind: type[APIError],
) -> None:
    server.say(body, status)
    assert type(await failure(client.device("n1"))) is kind


async def test_services_are_sorted_sets_by_name(
    client: TailscaleClient, server: ScriptedServer
) -> None:
    web = {
        "name": "svc:web",
        "addrs": ["fd7a:115c:a1e0::1", "100.93.49.180"],
        "displayName": "Web",
        "comment": "ours",
        "ports": ["tcp:80", "tcp:443", "tcp:80"],
        "tags": ["tag:b", "tag:a"],
        "annotations": {"b": "2", "a": "1"},
    }
    bare = {"name": "svc:bare", "tags": None, "annotations": None}
    server.say({"vipServices": [web, bare]})
    assert await client.services() == (
        VIPService("svc:bare", (), (), (), "", ()),
        VIPService(
            name="svc:web",
            addrs=("100.93.49.180", "fd7a:115c:a1e0::1"),
            ports=("tcp:443", "tcp:80"),
            tags=("tag:a", "tag:b"),
            comment="ours",
            annotations=(("a", "1"), ("b", "2")),
        ),
    )
    assert targets(server) == [SERVICES]


async def test_no_services_is_an_empty_tuple(
    client: TailscaleClient, server: ScriptedServer
) -> None:
    server.say({"vipServices": []})
    assert await client.services() == ()


@pytest.mark.parametrize("unknown", [NOT_FOUND, b"404 page not found"])
async def test_the_other_spelling_is_asked_where_the_documented_one_is_unknown(
    client: TailscaleClient, server: ScriptedServer, unknown: object
) -> None:
    server.say(unknown, 404)
    server.say({"vipServices": [{"name": "svc:a"}]})
    assert [service.name for service in await client.services()] == ["svc:a"]
    assert targets(server) == [SERVICES, VIP_SERVICES]


@pytest.mark.parametrize(
    ("first", "second", "kind", "said"),
    [
        (NOT_FOUND, NOT_FOUND, AuthError, "services:read"),
        (NOT_FOUND, b"404 page not found", AuthError, "services:read"),
        (b"404 page not found", NOT_FOUND, AuthError, "services:read"),
        (b"404 page not found", b"404", NotFoundError, "has no Tailscale Services"),
    ],
)
async def test_both_spellings_unknown(
    client: TailscaleClient,
    server: ScriptedServer,
    first: object,
    second: object,
    kind: type[APIError],
    said: str,
) -> None:
    server.say(first, 404)
    server.say(second, 404)
    error = await failure(client.services())
    assert type(error) is kind
    assert said in error.message
    assert error.status == 404


async def test_only_a_404_leads_to_the_other_spelling(
    client: TailscaleClient, server: ScriptedServer
) -> None:
    server.say({"message": "no"}, 403)
    assert type(await failure(client.services())) is AuthError
    assert targets(server) == [SERVICES]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "truncated"),
        (b"<html>", "malformed"),
        ({}, "vipServices"),
        ({"services": []}, "vipServices"),
        ({"vipServices": None}, "vipServices"),
        ([], "array"),
        ({"vipServices": [{}]}, "name"),
        ({"vipServices": [{"name": 5}]}, "$.vipServices[0].name"),
        ({"vipServices": [{"name": "svc:a", "tags": [1]}]}, "$.vipServices[0].tags"),
        ({"vipServices": [{"name": "svc:a", "annotations": {"a": 1}}]}, "annotations"),
    ],
)
async def test_what_is_no_list_of_services_is_malformed(
    client: TailscaleClient, server: ScriptedServer, body: object, problem: str
) -> None:
    server.say(body)
    error = await failure(client.services())
    assert type(error) is MalformedAnswerError
    assert problem in error.message
