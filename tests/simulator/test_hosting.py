import httpx

HOSTS = "/tailnet/-/services/svc:web/devices"
API_1 = "nB01c2dE919f11CNTRL"
API_2 = "nC02c2dE838f11CNTRL"


def approved(node: str) -> str:
    return f"/tailnet/-/services/svc:web/device/{node}/approved"


async def test_a_service_without_hosts_answers_an_empty_object(api: httpx.AsyncClient) -> None:
    answer = await api.get(HOSTS)
    assert (answer.status_code, answer.json()) == (200, {})


async def test_hosts_are_listed_with_their_approval(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    hosts = [{"nodeId": API_1, "approvalLevel": "approved:auto"}, {"nodeId": API_2}]
    assert (await control.put("hosts", json={"svc:web": hosts})).status_code == 200
    assert (await api.get(HOSTS)).json() == {
        "hosts": [
            {"nodeId": API_1, "approvalLevel": "approved:auto", "configured": "ready"},
            {"nodeId": API_2, "approvalLevel": "not-approved", "configured": "ready"},
        ]
    }
    assert (await control.get("hosts")).json() == {
        "svc:web": (await api.get(HOSTS)).json()["hosts"]
    }


async def test_approving_a_host_shows_in_both_answers(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await control.put("hosts", json={"svc:web": [{"nodeId": API_1}]})
    path = approved(API_1)
    assert (await api.get(path)).json() == {"approved": False, "autoApproved": False}
    answer = await api.post(path, json={"approved": True})
    assert answer.json() == {"approved": True, "autoApproved": False}
    assert (await api.get(HOSTS)).json()["hosts"][0]["approvalLevel"] == "approved:manual"
    await api.post(path, json={"approved": False})
    assert (await api.get(path)).json() == {"approved": False, "autoApproved": False}


async def test_an_automatic_approval_says_so(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    hosts = {"svc:web": [{"nodeId": API_1, "approvalLevel": "approved:auto"}]}
    await control.put("hosts", json=hosts)
    assert (await api.get(approved(API_1))).json() == {"approved": True, "autoApproved": True}


async def test_a_device_may_be_approved_before_it_advertises(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await api.post(approved(API_1), json={"approved": True})
    assert (await api.get(HOSTS)).json() == {}
    await control.put("hosts", json={"svc:web": [{"nodeId": API_1}]})
    assert (await api.get(HOSTS)).json()["hosts"][0]["approvalLevel"] == "approved:manual"


async def test_a_device_shared_in_can_not_be_approved(api: httpx.AsyncClient) -> None:
    shared = (await api.get("/tailnet/-/devices", params={"isExternal": "true"})).json()["devices"]
    for device in shared:
        assert (await api.post(approved(device["nodeId"]), json={"approved": True})).json() == {
            "message": "not found"
        }


async def test_an_unknown_service_or_device_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await api.get(HOSTS.replace("web", "none"))).status_code == 404
    assert (await api.get(approved("nNOBODY"))).status_code == 404
    assert (await api.get(approved(API_1).replace("web", "none"))).status_code == 404


async def test_an_approval_is_a_boolean(api: httpx.AsyncClient) -> None:
    for body in (b"{}", b'{"approved":"yes"}', b"[]"):
        assert (await api.post(approved(API_1), content=body)).status_code == 400


async def test_hosts_exist_under_one_spelling_only(api: httpx.AsyncClient) -> None:
    assert (await api.get(HOSTS.replace("services", "vip-services"))).status_code == 404


async def test_hosts_follow_a_rename_and_go_with_the_service(
    api: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:
    await control.put("hosts", json={"svc:web": [{"nodeId": API_1}]})
    service = (await api.get("/tailnet/-/services/svc:web")).json()
    await api.put("/tailnet/-/services/svc:web", json={**service, "name": "svc:renamed"})
    renamed = "/tailnet/-/services/svc:renamed"
    assert (await api.get(f"{renamed}/devices")).json()["hosts"][0]["nodeId"] == API_1
    await api.delete(renamed)
    assert (await control.get("hosts")).json() == {}
