from typing import Any

import httpx
import pytest

from discovery.simulator import Simulator, SimulatorState

SPELLINGS = ["services", "vip-services"]
NEW = {"name": "svc:new", "ports": ["tcp:443"]}
ONE = "/tailnet/-/services/svc:new"
WEB = "/tailnet/-/services/svc:web"
WEB_ADDRS = ["100.93.49.180", "fd7a:115c:a1e0::3456:3cb4"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["message"]
    return answer.status_code, answer.json()["message"]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_both_spellings_create_get_list_and_delete(
    api: httpx.AsyncClient, spelling: str
) -> None:
    one = f"/tailnet/-/{spelling}/svc:new"
    stored = (await api.put(one, json=NEW)).json()
    assert (await api.get(one)).json() == stored
    listed = (await api.get(f"/tailnet/-/{spelling}")).json()
    assert [each["name"] for each in listed["vipServices"]][-1] == "svc:new"
    deleted = await api.delete(one)
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert refusal(await api.get(one)) == (404, "not found")
    assert refusal(await api.delete(one)) == (404, "not found")


async def test_both_spellings_are_one_object(api: httpx.AsyncClient) -> None:
    stored = (await api.put(ONE, json=NEW)).json()
    assert (await api.get("/tailnet/-/vip-services/svc:new")).json() == stored


async def test_an_empty_list_has_its_key(api: httpx.AsyncClient, state: SimulatorState) -> None:
    state.replace_services([])
    assert (await api.get("/tailnet/-/services")).json() == {"vipServices": []}


async def test_a_new_service_is_given_an_address_of_each_family(api: httpx.AsyncClient) -> None:
    ipv4, ipv6 = (await api.put(ONE, json=NEW)).json()["addrs"]
    assert ipv4 == "100.119.121.177"
    assert ipv6 == "fd7a:115c:a1e0::9e37:79b1"


async def test_a_service_made_again_has_other_addresses(api: httpx.AsyncClient) -> None:
    first = (await api.put(ONE, json=NEW)).json()["addrs"]
    await api.delete(ONE)
    second = (await api.put(ONE, json=NEW)).json()["addrs"]
    assert not set(first) & set(second)


async def test_a_new_service_may_ask_for_its_ipv4_address(api: httpx.AsyncClient) -> None:
    stored = (await api.put(ONE, json={**NEW, "addrs": ["100.64.0.7"]})).json()
    assert stored["addrs"][0] == "100.64.0.7"


@pytest.mark.parametrize(
    "addrs", [["fd7a:115c:a1e0::1"], ["100.64.0.7", "fd7a:115c:a1e0::1"], ["100.64.0.7"] * 2]
)
async def test_a_new_service_may_ask_for_nothing_else(
    api: httpx.AsyncClient, addrs: list[str]
) -> None:
    assert refusal(await api.put(ONE, json={**NEW, "addrs": addrs})) == (
        400,
        "when creating a new service, addrs must be empty or contain 1 IPv4 address",
    )


@pytest.mark.parametrize("address", ["100.100.0.9", "100.100.100.10", "100.115.93.1"])
async def test_a_reserved_address_is_refused(api: httpx.AsyncClient, address: str) -> None:
    expected = (400, "bad IPv4 address: address is reserved for use by Tailscale")
    assert refusal(await api.put(ONE, json={**NEW, "addrs": [address]})) == expected
    changed = {"name": "svc:web", "ports": ["tcp:80"], "addrs": [address, WEB_ADDRS[1]]}
    assert refusal(await api.put(WEB, json=changed)) == expected


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.0.2.1", "192.0.2.1 is not in 100.64.0.0/10"),
        ("100.84.12.1", "100.84.12.1 is in use"),
        ("100.124.43.64", "100.124.43.64 is in use"),
    ],
)
async def test_an_address_of_somebody_else_is_refused(
    api: httpx.AsyncClient, address: str, reason: str
) -> None:
    answer = await api.put(ONE, json={**NEW, "addrs": [address]})
    assert refusal(answer) == (400, f"bad IPv4 address: {reason}")


@pytest.mark.parametrize("addrs", [None, [], WEB_ADDRS[:1]])
async def test_an_update_needs_both_addresses(api: httpx.AsyncClient, addrs: Any) -> None:
    body = {"name": "svc:web", "ports": ["tcp:80"], "addrs": addrs}
    assert refusal(await api.put(WEB, json=body)) == (
        400,
        "when updating a service, addrs must contain 2 elements",
    )


async def test_an_update_changes_the_ipv4_but_not_the_ipv6_address(api: httpx.AsyncClient) -> None:
    body = {"name": "svc:web", "ports": ["tcp:80"]}
    moved = ["100.64.0.7", WEB_ADDRS[1]]
    assert (await api.put(WEB, json={**body, "addrs": moved})).json()["addrs"] == moved
    other = ["100.64.0.7", "fd7a:115c:a1e0::7"]
    assert (await api.put(WEB, json={**body, "addrs": other})).status_code == 400


async def test_an_update_clears_what_it_does_not_say(api: httpx.AsyncClient) -> None:
    body = {"name": "svc:web", "ports": ["tcp:80"], "addrs": WEB_ADDRS}
    assert (await api.put(WEB, json=body)).json() == body
    assert (await api.get(WEB)).json() == body


async def test_empty_values_are_dropped(api: httpx.AsyncClient) -> None:
    body = {**NEW, "comment": "", "tags": [], "annotations": {}, "displayName": ""}
    assert set((await api.put(ONE, json=body)).json()) == {"name", "ports", "addrs"}


async def test_everything_else_is_kept(api: httpx.AsyncClient) -> None:
    kept = {"comment": "c", "displayName": "d" * 64, "annotations": {"owner": "me"}}
    body = {**NEW, **kept, "ports": ["tcp:8443", "tcp:80"], "unknown": 1}
    stored = (await api.put(ONE, json=body)).json()
    assert stored.pop("addrs")
    assert stored == {"name": "svc:new", "ports": ["tcp:8443", "tcp:80"], **kept}


async def test_tags_come_back_in_another_order(api: httpx.AsyncClient) -> None:
    body = {**NEW, "tags": ["tag:env-production", "tag:gpu"]}
    assert (await api.put(ONE, json=body)).json()["tags"] == ["tag:gpu", "tag:env-production"]


async def test_tags_that_the_policy_does_not_know_are_refused(api: httpx.AsyncClient) -> None:
    body = {**NEW, "tags": ["tag:a", "tag:env-production", "tag:b"]}
    assert refusal(await api.put(ONE, json=body)) == (
        400,
        "requested tags [tag:a tag:b] are invalid or not permitted",
    )


@pytest.mark.parametrize("tag", ["tag:region-eu", "tag:k8s", "tag:extra"])
async def test_tags_of_devices_services_and_policy_are_known(
    api: httpx.AsyncClient, tag: str
) -> None:
    assert (await api.put(ONE, json={**NEW, "tags": [tag]})).status_code == 200


@pytest.mark.parametrize("ports", [None, []])
async def test_ports_must_be_given(api: httpx.AsyncClient, ports: Any) -> None:
    assert refusal(await api.put(ONE, json={**NEW, "ports": ports})) == (
        400,
        'ports are empty, use "do-not-validate" to opt out of port validation',
    )


@pytest.mark.parametrize(
    "ports",
    [["udp:53"], ["443"], ["tcp:0"], ["tcp:65536"], ["tcp:80-90"], ["do-not-validate", "tcp:1"]],
)
async def test_other_ports_than_tcp_are_refused(api: httpx.AsyncClient, ports: list[str]) -> None:
    assert (await api.put(ONE, json={**NEW, "ports": ports})).status_code == 400


@pytest.mark.parametrize("ports", [["do-not-validate"], ["tcp:1", "tcp:65535"]])
async def test_tcp_ports_or_no_validation_are_taken(
    api: httpx.AsyncClient, ports: list[str]
) -> None:
    assert (await api.put(ONE, json={**NEW, "ports": ports})).json()["ports"] == ports


@pytest.mark.parametrize(
    "name", ["new", "svc:", "svc:-a", "svc:a-", "svc:a_b", "svc:a.b", "svc:a b", f"svc:{'a' * 64}"]
)
async def test_a_name_must_be_a_dns_label(api: httpx.AsyncClient, name: str) -> None:
    answer = await api.put(f"/tailnet/-/services/{name}", json={**NEW, "name": name})
    assert refusal(answer) == (400, f'invalid service name "{name}"')


@pytest.mark.parametrize("name", ["svc:a", "svc:A-1", f"svc:{'a' * 63}"])
async def test_every_dns_label_is_a_name(api: httpx.AsyncClient, name: str) -> None:
    answer = await api.put(f"/tailnet/-/services/{name}", json={**NEW, "name": name})
    assert answer.json()["name"] == name


async def test_a_slash_in_a_name_stays_within_it(api: httpx.AsyncClient) -> None:
    answer = await api.put("/tailnet/-/services/svc:a%2Fb", json={**NEW, "name": "svc:a/b"})
    assert refusal(answer) == (400, 'invalid service name "svc:a/b"')


async def test_an_escaped_colon_is_a_colon(api: httpx.AsyncClient) -> None:
    assert (await api.get("/tailnet/-/services/svc%3Aweb")).json()["name"] == "svc:web"


async def test_a_machine_has_its_name_for_itself(api: httpx.AsyncClient) -> None:
    expected = (409, "name is in use but is not a service")
    answer = await api.put("/tailnet/-/services/svc:api-1", json={**NEW, "name": "svc:api-1"})
    assert refusal(answer) == expected
    renamed = {"name": "svc:api-1", "ports": ["tcp:80"], "addrs": WEB_ADDRS}
    assert refusal(await api.put(WEB, json=renamed)) == expected


async def test_a_device_shared_in_takes_no_name(api: httpx.AsyncClient) -> None:
    answer = await api.put("/tailnet/-/services/svc:hello", json={**NEW, "name": "svc:hello"})
    assert answer.status_code == 200


async def test_another_name_in_the_body_renames(api: httpx.AsyncClient) -> None:
    body = {"name": "svc:renamed", "ports": ["tcp:80"], "addrs": WEB_ADDRS}
    assert (await api.put(WEB, json=body)).json() == body
    assert (await api.get(WEB)).status_code == 404
    assert (await api.get("/tailnet/-/services/svc:renamed")).json() == body


async def test_a_rename_does_not_replace_another_service(api: httpx.AsyncClient) -> None:
    body = {"name": "svc:argo", "ports": ["tcp:80"], "addrs": WEB_ADDRS}
    assert (await api.put(WEB, json=body)).status_code == 409


async def test_a_new_service_has_the_name_of_the_path(api: httpx.AsyncClient) -> None:
    assert (await api.put(ONE, json={**NEW, "name": "svc:other"})).status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"ports":"tcp:80"}', b'{"tags":[1]}', b'{"annotations":{"a":1}}'],
)
async def test_a_body_of_another_form_is_a_bad_request(api: httpx.AsyncClient, body: bytes) -> None:
    assert refusal(await api.put(ONE, content=body)) == (400, "bad request")


async def test_a_display_name_has_at_most_64_characters(api: httpx.AsyncClient) -> None:
    assert (await api.put(ONE, json={**NEW, "displayName": "d" * 65})).status_code == 400


async def test_a_refused_change_changes_nothing(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    before = state.services.listed()
    await api.put(WEB, json={"name": "svc:api-1", "ports": ["tcp:80"], "addrs": WEB_ADDRS})
    assert state.services.listed() == before


async def test_services_given_without_addresses_get_some() -> None:
    state = SimulatorState(services=[{"name": "svc:a", "ports": ["tcp:1"]}])
    async with Simulator(state):
        assert len(state.services.get("svc:a")["addrs"]) == 2
