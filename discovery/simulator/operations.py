"""The operations of the API that the simulator has, each with its scopes.

Scopes and paths are those of Tailscale's OpenAPI document; ``vip-services`` is the older spelling
that Tailscale's own clients use for the same objects.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from discovery.simulator.devices import device_of, found, listed
from discovery.simulator.exchange import Exchange, Handler, Operation
from discovery.simulator.faults import Area
from discovery.simulator.refusals import JSONObject, bad_request, not_found
from discovery.simulator.webhooks import TEST_EVENT

_API: Final = "/api/v2"
_TAILNET: Final = f"{_API}/tailnet/{{tailnet}}"
_DEVICE_LIST: Final = frozenset({Area.ALL, Area.DEVICES, Area.DEVICE_LIST})
_DEVICE: Final = frozenset({Area.ALL, Area.DEVICES, Area.DEVICE})
_SERVICE_LIST: Final = frozenset({Area.ALL, Area.SERVICES, Area.SERVICE_LIST})
_SERVICE: Final = frozenset({Area.ALL, Area.SERVICES, Area.SERVICE})
_SERVICE_WRITE: Final = _SERVICE | {Area.WRITES}
_OAUTH: Final = frozenset({Area.ALL, Area.OAUTH})
_WEBHOOKS: Final = frozenset({Area.ALL, Area.WEBHOOKS})
_WEBHOOK_WRITE: Final = _WEBHOOKS | {Area.WRITES}


def operations() -> Iterator[Operation]:
    """Yield every operation."""
    read = ("devices:core:read",)
    yield Operation("GET", f"{_TAILNET}/devices", _DEVICE_LIST, read, _list_devices)
    yield Operation("GET", f"{_API}/device/{{device}}", _DEVICE, read, _get_device)
    yield Operation("POST", f"{_API}/oauth/token", _OAUTH, (), _token)
    yield Operation("POST", f"{_API}/oauth/token-exchange", _OAUTH, (), _token_exchange)
    for spelling in ("services", "vip-services"):
        yield from _service_operations(f"{_TAILNET}/{spelling}")
    yield from _hosting_operations(f"{_TAILNET}/services/{{service}}")
    yield from _webhook_operations()


def _service_operations(path: str) -> Iterator[Operation]:
    one = f"{path}/{{service}}"
    read, write = ("services:read",), ("services",)
    yield Operation("GET", path, _SERVICE_LIST, read, _list_services)
    yield Operation("GET", one, _SERVICE, read, _get_service)
    yield Operation("PUT", one, _SERVICE_WRITE, write, _put_service)
    yield Operation("DELETE", one, _SERVICE_WRITE, write, _delete_service)


def _hosting_operations(path: str) -> Iterator[Operation]:
    scopes = ("services", "devices:core")  # both, even to read
    approval = f"{path}/device/{{device}}/approved"
    yield Operation("GET", f"{path}/devices", _SERVICE, scopes, _list_hosts)
    yield Operation("GET", approval, _SERVICE, scopes, _get_approval)
    yield Operation("POST", approval, _SERVICE_WRITE, scopes, _set_approval)


def _webhook_operations() -> Iterator[Operation]:
    every, one = f"{_TAILNET}/webhooks", f"{_API}/webhooks/{{webhook}}"
    read, write = ("webhooks:read",), ("webhooks",)
    calls: tuple[tuple[str, str, frozenset[Area], tuple[str, ...], Handler], ...] = (
        ("GET", every, _WEBHOOKS, read, _list_webhooks),
        ("POST", every, _WEBHOOK_WRITE, write, _create_webhook),
        ("GET", one, _WEBHOOKS, read, _get_webhook),
        ("DELETE", one, _WEBHOOK_WRITE, write, _delete_webhook),
        ("POST", f"{one}/test", _WEBHOOK_WRITE, write, _test_webhook),
    )
    for method, path, areas, scopes, handler in calls:
        yield Operation(method, path, areas, scopes, handler)


def _list_devices(exchange: Exchange) -> Response:
    return JSONResponse(listed(exchange.seen(exchange.state.devices), exchange.query))


def _get_device(exchange: Exchange) -> Response:
    devices = exchange.seen(exchange.state.devices)
    return JSONResponse(found(devices, exchange.path["device"], exchange.query))


def _token(exchange: Exchange) -> Response:
    return JSONResponse(exchange.state.credentials.token(exchange.authorization, exchange.form))


def _token_exchange(exchange: Exchange) -> Response:
    return JSONResponse(exchange.state.credentials.exchange(exchange.form))


def _list_services(exchange: Exchange) -> Response:
    return JSONResponse({"vipServices": exchange.seen(exchange.state.services.listed())})


def _get_service(exchange: Exchange) -> Response:
    name = exchange.path["service"]
    for one in exchange.seen(exchange.state.services.listed()):
        if one["name"] == name:
            return JSONResponse(one)
    raise not_found()


def _put_service(exchange: Exchange) -> Response:
    return JSONResponse(exchange.state.put_service(exchange.path["service"], exchange.body))


def _delete_service(exchange: Exchange) -> Response:
    exchange.state.delete_service(exchange.path["service"])
    return Response()


def _list_hosts(exchange: Exchange) -> Response:
    service = exchange.state.services.get(exchange.path["service"])
    return JSONResponse(exchange.state.hosting.listed(service["name"]))


def _get_approval(exchange: Exchange) -> Response:
    service, node = _service_and_host(exchange)
    return JSONResponse(exchange.state.hosting.approval(service, node))


def _set_approval(exchange: Exchange) -> Response:
    service, node = _service_and_host(exchange)
    body = exchange.body
    approved = body.get("approved") if isinstance(body, dict) else None
    if not isinstance(approved, bool):
        raise bad_request()
    answer: JSONObject = exchange.state.hosting.approve(service, node, approved=approved)
    return JSONResponse(answer)


def _service_and_host(exchange: Exchange) -> tuple[str, str]:
    """Return both names; 404 where one is unknown, or the device is shared in (observed)."""
    service = exchange.state.services.get(exchange.path["service"])
    device = device_of(exchange.state.devices, exchange.path["device"])
    if device.get("isExternal"):
        raise not_found()
    return service["name"], device["nodeId"]


def _list_webhooks(exchange: Exchange) -> Response:
    return JSONResponse(exchange.state.webhooks.listed())


def _create_webhook(exchange: Exchange) -> Response:
    return JSONResponse(exchange.state.webhooks.create(exchange.body))


def _get_webhook(exchange: Exchange) -> Response:
    return JSONResponse(exchange.state.webhooks.get(exchange.path["webhook"]).body())


def _delete_webhook(exchange: Exchange) -> Response:
    exchange.state.webhooks.delete(exchange.path["webhook"])
    return Response()


def _test_webhook(exchange: Exchange) -> Response:
    webhooks = exchange.state.webhooks
    endpoint = webhooks.get(exchange.path["webhook"])
    event = webhooks.event(exchange.state.tailnet, TEST_EVENT, "This is a test event")
    sending = BackgroundTask(webhooks.deliver, endpoint, [event])
    return Response(status_code=HTTPStatus.ACCEPTED, background=sending)
