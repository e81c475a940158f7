"""One request to the API, from the fault that may decide it to the answer."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from discovery.simulator import effects
from discovery.simulator.credentials import allows
from discovery.simulator.faults import Area, Kind, Rule
from discovery.simulator.refusals import NOT_PERMITTED, Refusal, bad_request, not_found
from discovery.simulator.state import Call, SimulatorState

FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Exchange:
    """What a handler may know of a request; ``path`` holds the path's values, unescaped."""

    state: SimulatorState
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    authorization: str
    content_type: str
    content: bytes
    fault: Rule | None

    @cached_property
    def body(self) -> Any:
        """The JSON body; anything else is a bad request."""
        return json_body(self.content)

    @cached_property
    def form(self) -> dict[str, str]:
        """The form of a token request; empty where the body is no form."""
        if self.content_type.partition(";")[0].strip().lower() != FORM:
            return {}
        return dict(parse_qsl(self.content.decode("latin-1"), encoding="utf-8"))

    def seen(self, items: Sequence[Any]) -> list[Any]:
        """Return what this request's fault leaves of a list."""
        return effects.seen(self.fault, items)


Handler = Callable[[Exchange], Response]


@dataclass(frozen=True)
class Operation:
    """One operation of the API: where it is, what it needs, and who answers.

    ``areas`` are those whose faults hold it. Without ``scopes`` it needs no credential.
    """

    method: str
    path: str
    areas: frozenset[Area]
    scopes: tuple[str, ...]
    handler: Handler

    def route(self, state: SimulatorState) -> Route:
        """Return the operation as a route on a state."""

        async def endpoint(request: Request) -> Response:
            fault = state.faults.take(self.areas)
            response = await self._answer(state, request, fault)
            state.calls.add(_call(f"{self.method} {self.path}", request, response))
            return response

        return Route(self.path, endpoint, methods=[self.method])

    async def _answer(
        self, state: SimulatorState, request: Request, fault: Rule | None
    ) -> Response:
        replaced = None if fault is None else effects.instead(fault)
        if replaced is not None:
            return replaced
        exchange = await _exchange(state, request, fault)
        if fault is not None and fault.kind is Kind.SLOW:
            await effects.pause(request, float(fault.argument))
        try:
            self._authorise(exchange)
            response = self.handler(exchange)
        except Refusal as refusal:
            response = JSONResponse({"message": refusal.message}, refusal.status)
        return response if fault is None else effects.changed(fault, response)

    def _authorise(self, exchange: Exchange) -> None:
        """Refuse who is nobody, may not, or asks for another tailnet."""
        if not self.scopes:
            return
        held = exchange.state.credentials.scopes_of(exchange.authorization)
        if exchange.fault is not None and exchange.fault.kind is Kind.MISSING_SCOPE:
            held = frozenset()
        if not all(allows(held, scope) for scope in self.scopes):
            # Observed: devices say 403, every other list pretends that there is nothing.
            if Area.DEVICES in self.areas:
                raise Refusal(HTTPStatus.FORBIDDEN, NOT_PERMITTED)
            raise not_found()
        if exchange.path.get("tailnet", "-") not in {"-", exchange.state.tailnet}:
            raise not_found()


def json_body(content: bytes) -> Any:
    """Return what a JSON body says; anything else is a bad request."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise bad_request() from error


async def _exchange(state: SimulatorState, request: Request, fault: Rule | None) -> Exchange:
    return Exchange(
        state=state,
        path={name: unquote(value) for name, value in request.path_params.items()},
        query=request.query_params.multi_items(),
        authorization=request.headers.get("authorization", ""),
        content_type=request.headers.get("content-type", ""),
        content=await request.body(),
        fault=fault,
    )


def _call(route: str, request: Request, response: Response) -> Call:
    return Call(
        route=route,
        path=request.url.path,
        query=request.url.query,
        status=None if isinstance(response, effects.Dropped) else response.status_code,
        authorization=request.headers.get("authorization", "").partition(" ")[0],
        user_agent=request.headers.get("user-agent", ""),
    )
