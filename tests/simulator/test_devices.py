import httpx
import pytest

from discovery.simulator import SimulatorState

LIST = "/tailnet/-/devices"


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [device["name"].partition(".")[0] for device in answer.json()["devices"]]


async def test_the_list_is_one_envelope_with_every_device(api: httpx.AsyncClient) -> None:
    answer = await api.get(LIST)
    assert list(answer.json()) == ["devices"]
    assert len(answer.json()["devices"]) == 26
    assert answer.headers["content-type"] == "application/json"


async def test_the_tailnet_may_be_called_by_its_name(api: httpx.AsyncClient) -> None:
    assert len(names(await api.get("/tailnet/company.ts.net/devices"))) == 26


async def test_another_tailnet_is_not_found(api: httpx.AsyncClient) -> None:
    answer = await api.get("/tailnet/example.com/devices")
    assert (answer.status_code, answer.json()) == (404, {"message": "not found"})


@pytest.mark.parametrize("query", ["", "?fields=default"])
async def test_the_default_fields_leave_out_seven(api: httpx.AsyncClient, query: str) -> None:
    served = {name for one in (await api.get(LIST + query)).json()["devices"] for name in one}
    assert "nodeId" in served
    assert not served & {
        "advertisedRoutes",
        "enabledRoutes",
        "clientConnectivity",
        "sshEnabled",
        "postureIdentity",
        "distro",
        "multipleConnections",
    }


async def test_all_fields_are_what_the_device_has(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    assert (await api.get(LIST, params={"fields": "all"})).json()["devices"] == state.devices


@pytest.mark.parametrize("path", [LIST, "/device/nB01c2dE919f11CNTRL"])
async def test_other_fields_are_refused(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path, params={"fields": "some"})
    assert answer.status_code == 400
    assert answer.json() == {"message": 'invalid value "some" of "fields": use "all" or "default"'}


async def test_a_filter_on_a_list_wants_each_of_its_values(api: httpx.AsyncClient) -> None:
    query = "?tags=tag:env-staging&tags=tag%3Aservice-type-api"
    assert names(await api.get(LIST + query)) == ["api-staging-1"]


async def test_filters_on_several_fields_are_anded(api: httpx.AsyncClient) -> None:
    query = "?isEphemeral=true&os=linux&tags=tag:env-staging"
    assert names(await api.get(LIST + query)) == ["batch-1"]
    assert names(await api.get(f"{LIST}{query}&hostname=other")) == []


async def test_a_filter_compares_exactly(api: httpx.AsyncClient) -> None:
    assert names(await api.get(LIST, params={"hostname": "api"})) == []
    assert names(await api.get(LIST, params={"hostname": "api-2"})) == ["api-2"]


async def test_a_filter_sees_fields_that_are_not_served(api: httpx.AsyncClient) -> None:
    assert names(await api.get(LIST, params={"enabledRoutes": "10.20.0.0/16"})) == ["router-1"]


@pytest.mark.parametrize("name", ["clientConnectivity", "nothing"])
async def test_a_filter_on_an_object_or_unknown_field_is_refused(
    api: httpx.AsyncClient, name: str
) -> None:
    answer = await api.get(LIST, params={name: "x"})
    assert answer.status_code == 400
    assert name in answer.json()["message"]


@pytest.mark.parametrize("identity", ["nB01c2dE919f11CNTRL", "7345120099813358"])
async def test_one_device_is_found_by_node_id_and_by_legacy_id(
    api: httpx.AsyncClient, identity: str
) -> None:
    device = (await api.get(f"/device/{identity}")).json()
    assert device["name"] == "api-1.company.ts.net"
    assert "clientConnectivity" not in device


async def test_one_device_has_all_fields_on_request(api: httpx.AsyncClient) -> None:
    answer = await api.get("/device/nB01c2dE919f11CNTRL", params={"fields": "all"})
    assert answer.json()["clientConnectivity"]["clientSupports"]["udp"] is True


async def test_an_unknown_device_is_not_found(api: httpx.AsyncClient) -> None:
    answer = await api.get("/device/nNOBODY")
    assert (answer.status_code, answer.json()) == (404, {"message": "not found"})


async def test_an_edited_device_is_served_at_once(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.devices[0]["tags"] = ["tag:moved"]
    assert names(await api.get(LIST, params={"tags": "tag:moved"})) == ["api-1"]
