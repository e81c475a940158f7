import httpx
import pytest

from discovery.simulator import SimulatorState

LIST = "/tailnet/-/devices"
WEB = "/tailnet/-/services/svc:web"


async def test_a_missing_scope_differs_by_area(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("missing-scope")
    assert (await api.get(LIST)).status_code == 403
    assert (await api.get("/tailnet/-/services")).json() == {"message": "not found"}
    assert (await api.delete(WEB)).status_code == 404
    assert len(state.services.listed()) == 3


async def test_an_empty_list_leaves_single_devices(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("empty")
    assert (await api.get(LIST)).json() == {"devices": []}
    assert (await api.get("/device/nB01c2dE919f11CNTRL")).status_code == 200


async def test_an_empty_tailnet_has_no_single_devices_either(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("empty@devices")
    assert (await api.get(LIST)).json() == {"devices": []}
    assert (await api.get("/device/nB01c2dE919f11CNTRL")).status_code == 404


async def test_services_can_be_empty_too(api: httpx.AsyncClient, state: SimulatorState) -> None:
    state.faults.add("empty@service-list")
    assert (await api.get("/tailnet/-/services")).json() == {"vipServices": []}
    assert (await api.get(WEB)).status_code == 200


async def test_half_a_list_is_its_first_half(api: httpx.AsyncClient, state: SimulatorState) -> None:
    whole = (await api.get(LIST)).json()["devices"]
    state.faults.add("half")
    assert (await api.get(LIST)).json()["devices"] == whole[:13]


async def test_more_than_half_of_the_tagged_devices_lose_their_tags(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    before = sum(
        "tags" in one for one in (await api.get(LIST)).json()["devices"] if one.get("tags")
    )
    state.faults.add("untagged")
    answered = (await api.get(LIST)).json()["devices"]
    assert len(answered) == 26
    left = sum(bool(one.get("tags")) for one in answered)
    assert (before, left) == (23, 11)
    assert state.devices[0]["tags"]


async def test_foreign_names_have_another_suffix(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.faults.add("foreign:example.ts.net")
    answered = (await api.get(LIST)).json()["devices"]
    assert answered[1]["name"] == "api-2.example.ts.net"
    assert {one["name"].partition(".")[2] for one in answered} == {"example.ts.net"}


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("malformed", {"addresses": "100.84.12.1,fd7a:115c:a1e0::c401:c01"}),
        ("malformed:tags", {"tags": None}),
        ("malformed:nodeId", {"nodeId": "absent", "id": "7345120099813358"}),
        ("malformed:id", {"nodeId": "absent", "id": "absent"}),
    ],
)
async def test_one_device_is_malformed(
    api: httpx.AsyncClient, state: SimulatorState, rule: str, broken: dict[str, object]
) -> None:
    whole = (await api.get(LIST)).json()["devices"]
    state.faults.add(rule)
    answered = (await api.get(LIST)).json()["devices"]
    assert {name: answered[0].get(name, "absent") for name in broken} == broken
    assert answered[1:] == whole[1:]
    state.faults.clear()
    assert (await api.get(LIST)).json()["devices"] == whole


async def test_one_entry_is_nothing_at_all(api: httpx.AsyncClient, state: SimulatorState) -> None:
    state.faults.add("malformed:entry")
    answered = (await api.get(LIST)).json()["devices"]
    assert answered[0] is None
    assert len(answered) == 26


async def test_an_empty_tailnet_has_nothing_malformed(
    api: httpx.AsyncClient, state: SimulatorState
) -> None:
    state.devices = []
    state.faults.add("malformed")
    assert (await api.get(LIST)).json() == {"devices": []}
