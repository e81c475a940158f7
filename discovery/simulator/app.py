"""The simulator as an ASGI application."""

from itertools import count
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from discovery.simulator import control
from discovery.simulator.operations import operations
from discovery.simulator.refusals import Refusal, message_for
from discovery.simulator.state import SimulatorState


def application(state: SimulatorState) -> ASGIApp:
    """Return the API and its control interface on a state."""
    routes = [*(operation.route(state) for operation in operations()), *control.routes(state)]
    handlers = {HTTPException: _unrouted, Refusal: _refused, Exception: _broken}
    app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]
    app.router.redirect_slashes = False  # a path with a slash too many is another path
    return Front(app)


class Front:
    """What every request and answer goes through: the raw path, and a request id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        # The path is split at its literal slashes; %2F stays within a segment. Re-quoting lets
        # "%64evices" and "svc%3Ax" be what they spell.
        segments = scope["raw_path"].decode("ascii").split("/")
        path = "/".join(quote(unquote(one), safe=":@!$&'()*+,;=") for one in segments)
        identity = f"REQ-20260101000000000{next(self._numbers):08x}"

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-tailscale-request-id"] = identity
            await send(message)

        await self._app({**scope, "path": path}, receive, send_with_id)


def _unrouted(request: Request, error: HTTPException) -> Response:
    """Answer what no route takes (404, 405) in JSON, as the API does."""
    del request
    message = message_for(error.status_code)
    return JSONResponse({"message": message}, error.status_code, error.headers)


def _broken(request: Request, error: Exception) -> Response:
    """Answer for a defect of the simulator; the server reports it on stderr."""
    del request, error
    return JSONResponse({"message": message_for(500)}, 500)


def _refused(request: Request, refusal: Refusal) -> Response:
    del request
    return JSONResponse({"message": refusal.message}, refusal.status)
