"""Every answer against Tailscale's own OpenAPI document (schemas of JSON Schema 2020-12)."""

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from discovery.simulator import SimulatorState

API_1 = "nB01c2dE919f11CNTRL"
DEVICES = "/tailnet/{tailnet}/devices"
DEVICE = "/device/{deviceId}"
SERVICES = "/tailnet/{tailnet}/services"
SERVICE = "/tailnet/{tailnet}/services/{serviceName}"
HOSTS = f"{SERVICE}/devices"
APPROVED = f"{SERVICE}/device/{{deviceId}}/approved"
WEBHOOKS = "/tailnet/{tailnet}/webhooks"

# Seen from the real service, and in its Go client, but not in its document.
UNPUBLISHED_OF_SERVICES = {"annotations": {"type": "object"}, "displayName": {"type": "string"}}
UNPUBLISHED_OF_HOSTS = {"nodeId": {"type": "string"}}


def closed(schema: Any) -> Any:
    """Return a schema whose objects have no other properties than those it names."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: closed(value) for name, value in schema.items() if name != "example"}
    if "properties" in copy and "additionalProperties" not in copy:
        copy["additionalProperties"] = False
    return copy


def errors(published: dict[str, Any], path: str, method: str, answer: httpx.Response) -> list[str]:
    """Return what is wrong with an answer, by the document; nothing but the trap of ``created``."""
    response = published["paths"][path][method]["responses"][str(answer.status_code)]
    if "$ref" in response:
        response = published["components"]["responses"][response["$ref"].rpartition("/")[2]]
    components = closed(published["components"])
    components["schemas"]["VIPServiceInfo"]["properties"] |= UNPUBLISHED_OF_SERVICES
    components["schemas"]["ServiceHostInfo"]["properties"] |= UNPUBLISHED_OF_HOSTS
    schema = closed(response["content"]["application/json"]["schema"])
    validator = Draft202012Validator({**schema, "components": components})
    return [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(answer.json())]


@pytest.mark.parametrize("fields", ["default", "all"])
async def test_the_device_list_is_as_published(
    api: httpx.AsyncClient, published: dict[str, Any], state: SimulatorState, fields: str
) -> None:
    # The fleet has null and unknown fields on purpose: what the document does not know of.
    state.devices = [
        {name: value for name, value in one.items() if value is not None and "future" not in name}
        for one in state.devices
    ]
    answer = await api.get("/tailnet/-/devices", params={"fields": fields})
    assert len(answer.json()["devices"]) == 26
    assert errors(published, DEVICES, "get", answer) == []


async def test_one_device_is_as_published(
    api: httpx.AsyncClient, published: dict[str, Any]
) -> None:
    answer = await api.get(f"/device/{API_1}", params={"fields": "all"})
    assert answer.status_code == 200
    assert errors(published, DEVICE, "get", answer) == []


async def test_default_fields_are_those_published(
    api: httpx.AsyncClient, published: dict[str, Any]
) -> None:
    text = published["components"]["parameters"]["fields"]["description"]
    served = {
        name for one in (await api.get("/tailnet/-/devices")).json()["devices"] for name in one
    }
    assert {name for name in served if "future" not in name} == {
        name
        for name in published["components"]["schemas"]["Device"]["properties"]
        if f"- `{name}`" in text
    }


async def test_services_are_as_published(api: httpx.AsyncClient, published: dict[str, Any]) -> None:
    body = {"name": "svc:new", "ports": ["tcp:443"], "tags": ["tag:extra"], "comment": "c"}
    stored = await api.put("/tailnet/-/services/svc:new", json=body)
    assert errors(published, SERVICE, "put", stored) == []
    one = await api.get("/tailnet/-/services/svc:new")
    assert errors(published, SERVICE, "get", one) == []
    every = await api.get("/tailnet/-/services")
    assert len(every.json()["vipServices"]) == 4
    assert errors(published, SERVICES, "get", every) == []


async def test_hosts_and_approval_are_as_published(
    api: httpx.AsyncClient, control: httpx.AsyncClient, published: dict[str, Any]
) -> None:
    await control.put("hosts", json={"svc:web": [{"nodeId": API_1}]})
    hosts = await api.get("/tailnet/-/services/svc:web/devices")
    assert hosts.json()["hosts"]
    assert errors(published, HOSTS, "get", hosts) == []
    path = f"/tailnet/-/services/svc:web/device/{API_1}/approved"
    assert errors(published, APPROVED, "get", await api.get(path)) == []
    changed = await api.post(path, json={"approved": True})
    assert errors(published, APPROVED, "post", changed) == []


async def test_webhooks_are_as_published(api: httpx.AsyncClient, published: dict[str, Any]) -> None:
    body = {"endpointUrl": "http://127.0.0.1:1/", "subscriptions": ["nodeCreated"]}
    answer = await api.post("/tailnet/-/webhooks", json=body)
    assert answer.status_code == 200
    assert errors(published, WEBHOOKS, "post", answer) == []
    assert errors(published, WEBHOOKS, "get", await api.get("/tailnet/-/webhooks")) == []


async def test_refusals_are_as_published(api: httpx.AsyncClient, published: dict[str, Any]) -> None:
    unknown = await api.get("/device/n1")
    assert (unknown.status_code, errors(published, DEVICE, "get", unknown)) == (404, [])
    refused = await api.put("/tailnet/-/services/svc:new", json={"name": "svc:new"})
    assert (refused.status_code, errors(published, SERVICE, "put", refused)) == (400, [])


@pytest.mark.parametrize("status", [500, 504])
async def test_faults_are_as_published(
    api: httpx.AsyncClient, published: dict[str, Any], state: SimulatorState, status: int
) -> None:
    state.faults.add(str(status))
    answer = await api.get("/tailnet/-/devices")
    assert errors(published, DEVICES, "get", answer) == []
    response = published["components"]["responses"][str(status)]
    assert answer.json() == response["content"]["application/json"]["schema"]["example"]


async def test_this_check_sees_a_wrong_type_and_an_unknown_field(
    api: httpx.AsyncClient, published: dict[str, Any], state: SimulatorState
) -> None:
    state.devices = [{"nodeId": 7}, {"surprise": True}]
    answer = await api.get("/tailnet/-/devices")
    assert len(errors(published, DEVICES, "get", answer)) == 2
