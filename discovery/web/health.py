"""The paths that a kubelet and Prometheus ask for, as Starlette routes.

A check is a function that returns None when all is well, else one line that says what is not.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from discovery.metrics import Metrics

Check = Callable[[], str | None]

_BEAT = 1.0  # seconds
_LATE = 15.0  # seconds; a kubelet asks every 10 s and acts on the third failure


class Heartbeat:
    """A task that stamps the time each second: proof that the loop gets round to timers."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._stamped = monotonic()

    async def beat(self) -> None:
        """Stamp for ever."""
        while True:
            self._stamped = self._monotonic()
            await asyncio.sleep(_BEAT)

    def check(self) -> str | None:
        """Return what is wrong where the last stamp is old."""
        age = self._monotonic() - self._stamped
        return None if age < _LATE else f"the event loop did not turn for {age:.0f} s"


def health_routes(alive: Sequence[Check], ready: Mapping[str, Check]) -> list[Route]:
    """Return ``/healthz``, which asks ``alive``, and ``/readyz``, which asks ``ready`` by name."""

    async def healthz(request: Request) -> Response:
        del request
        return _verdict([problem for check in alive if (problem := check())])

    async def readyz(request: Request) -> Response:
        del request
        return _verdict([f"{name}: {line}" for name, check in ready.items() if (line := check())])

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def metrics_routes(metrics: Metrics) -> list[Route]:
    """Return ``/metrics``: text or OpenMetrics, as the scraper's ``Accept`` wants it."""

    async def scrape(request: Request) -> Response:
        body, content_type = metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    return [Route("/metrics", scrape)]


def application(routes: Sequence[Route]) -> Starlette:
    """Return an application of these routes that says of any other path which ones there are."""
    paths = ", ".join(route.path for route in routes)

    async def unknown(request: Request, error: Exception) -> Response:
        del request, error
        return PlainTextResponse(f"There is no such path here; there are {paths}.\n", 404)

    async def refused(request: Request, error: Exception) -> Response:
        del request
        headers = error.headers if isinstance(error, HTTPException) else None
        return PlainTextResponse("Only GET and HEAD are answered.\n", 405, headers)

    app = Starlette(routes=routes, exception_handlers={404: unknown, 405: refused})
    app.router.redirect_slashes = False  # a path with a slash too many is another path
    return app


def _verdict(problems: Sequence[str]) -> Response:
    text = "".join(f"{problem}\n" for problem in problems) or "ok\n"
    return PlainTextResponse(text, 503 if problems else 200, {"cache-control": "no-store"})
