"""The control interface: what no tailnet has, for tests that run beside the simulator.

========================================= =====================================================
``GET, PUT /simulator/devices``           ``{"devices": [...]}``, as the API's own list
``PATCH, DELETE /simulator/devices/{id}`` merges fields into a device (null removes), drops it
``GET, PUT /simulator/services``          ``{"vipServices": [...]}``
``GET, PUT /simulator/hosts``             ``{"svc:x": [{"nodeId", "approvalLevel"?}]}``
``GET, PUT, DELETE /simulator/faults``    ``{"faults": [RULE, ...]}``; GET says how many are left
``GET, POST /simulator/clock``            POST ``{"advance": SECONDS}``
``GET, PUT /simulator/oauth``             ``{"scopes": [...], "lifetime": SECONDS, "jwt": "..."}``
``GET, DELETE /simulator/requests``       requests by route, and the last ones
``POST /simulator/events``                ``{"events": [{"type", "message"?, "data"?}],
                                          "signedAt"?: SECONDS}`` to the webhooks
========================================= =====================================================

It needs no credential, and no fault touches it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from discovery.simulator.devices import device_of
from discovery.simulator.exchange import json_body
from discovery.simulator.refusals import JSONObject, bad_request
from discovery.simulator.state import SimulatorState

Answer = Callable[[SimulatorState, Any, Mapping[str, str]], JSONObject]


def routes(state: SimulatorState) -> list[Route]:
    """Return the routes of the control interface."""
    answers: dict[tuple[str, str], Answer] = {
        ("GET", "devices"): _devices,
        ("PUT", "devices"): _put_devices,
        ("PATCH", "devices/{device}"): _patch_device,
        ("DELETE", "devices/{device}"): _delete_device,
        ("GET", "services"): _services,
        ("PUT", "services"): _put_services,
        ("GET", "hosts"): _hosts,
        ("PUT", "hosts"): _put_hosts,
        ("GET", "faults"): _faults,
        ("PUT", "faults"): _put_faults,
        ("DELETE", "faults"): _delete_faults,
        ("GET", "clock"): _clock,
        ("POST", "clock"): _post_clock,
        ("GET", "oauth"): _oauth,
        ("PUT", "oauth"): _put_oauth,
        ("GET", "requests"): _requests,
        ("DELETE", "requests"): _delete_requests,
    }
    return [
        *(
            Route(f"/simulator/{path}", _endpoint(state, answer), methods=[method])
            for (method, path), answer in answers.items()
        ),
        Route("/simulator/events", _events_endpoint(state), methods=["POST"]),
    ]


Endpoint = Callable[[Request], Awaitable[Response]]


def _endpoint(state: SimulatorState, answer: Answer) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        content = await request.body()
        body = json_body(content) if content else {}
        try:
            return JSONResponse(answer(state, body, request.path_params))
        except (AttributeError, KeyError, TypeError) as error:
            raise bad_request(
                "the body has another form: see discovery.simulator.control"
            ) from error

    return endpoint


def _events_endpoint(state: SimulatorState) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        body = json_body(await request.body())
        given = _list_in(body, "events")
        events = [
            state.webhooks.event(
                state.tailnet, one["type"], one.get("message", ""), one.get("data")
            )
            for one in given
        ]
        deliveries = await state.webhooks.send(events, signed_at=body.get("signedAt"))
        return JSONResponse({"deliveries": deliveries})

    return endpoint


def _list_in(body: Any, name: str) -> list[Any]:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, list):
        raise bad_request(f'the body needs a list "{name}"')
    return value


def _devices(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    del body, path
    return {"devices": state.devices}


def _put_devices(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    state.devices = _list_in(body, "devices")
    return _devices(state, body, path)


def _patch_device(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    device = device_of(state.devices, path["device"])
    if not isinstance(body, dict):
        raise bad_request('the body must be an object, such as {"tags": null}')
    for name, value in body.items():
        if value is None:
            device.pop(name, None)
        else:
            device[name] = value
    return device


def _delete_device(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    device = device_of(state.devices, path["device"])
    state.devices = [one for one in state.devices if one is not device]
    return _devices(state, body, path)


def _services(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    del body, path
    return {"vipServices": state.services.listed()}


def _put_services(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    state.replace_services(_list_in(body, "vipServices"))
    return _services(state, body, path)


def _hosts(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    del body, path
    return state.hosting.everything()


def _put_hosts(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    state.hosting.replace(body)
    return _hosts(state, body, path)


def _faults(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    del body, path
    return {"faults": [{"rule": rule, "left": left} for rule, left in state.faults]}


def _put_faults(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    rules = [str(rule) for rule in _list_in(body, "faults")]
    try:
        state.faults.replace(rules)
    except ValueError as error:
        raise bad_request(str(error)) from error
    return _faults(state, body, path)


def _delete_faults(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    state.faults.clear()
    return _faults(state, body, path)


def _clock(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    del body, path
    return {"now": state.clock.text()}


def _post_clock(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    seconds = body.get("advance") if isinstance(body, dict) else None
    if not isinstance(seconds, int | float):
        raise bad_request('the body must be {"advance": SECONDS}')
    state.clock.advance(seconds)
    return _clock(state, body, path)


def _oauth(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    del body, path
    held = state.credentials
    return {"scopes": sorted(held.scopes), "lifetime": held.lifetime, "jwt": held.identity_token}


def _put_oauth(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    held, wanted = state.credentials, {**_oauth(state, body, path), **body}
    held.scopes = frozenset(wanted["scopes"])
    held.lifetime = wanted["lifetime"]
    held.identity_token = wanted["jwt"]
    return _oauth(state, body, path)


def _requests(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    del body, path
    return state.calls.body()


def _delete_requests(state: SimulatorState, body: Any, path: Mapping[str, str]) -> JSONObject:
    state.calls.clear()
    return _requests(state, body, path)
