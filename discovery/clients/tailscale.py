"""The Tailscale API, or another that speaks like it: devices, and Tailscale Services."""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

import httpx
import msgspec

from discovery.clients.auth import Authorization
from discovery.clients.devices import UNREADABLE, decode_device, decode_devices
from discovery.clients.errors import APIError, AuthError, MalformedAnswerError, NotFoundError
from discovery.clients.exchange import Answer, Exchange
from discovery.clients.retrying import Patience
from discovery.settings.credentials import Credentials
from discovery.tailnet import Device, DeviceList, VIPService

TAILSCALE = "https://api.tailscale.com"


class TailscaleClient:
    """Reads one tailnet. Every method returns the whole answer or raises an APIError.

    ``http`` comes from :func:`discovery.clients.exchange.new_http` and is closed by its owner.
    ``base_url`` may end in ``/`` or ``/api/v2``; ``tailnet`` is the path value of the API, ``-``
    for the tailnet of the credentials. ValueError tells of either that it can not be used.
    ``credentials`` is asked at each request, so that changed ones take effect at once.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Callable[[], Credentials],
        *,
        base_url: str = TAILSCALE,
        tailnet: str = "-",
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._exchange = Exchange(http, self._patience.now)
        self._base_url = _base(base_url)
        self._tailnet = f"/api/v2/tailnet/{_segment(tailnet)}"
        self._authorization = Authorization(
            self._exchange, self._base_url, credentials, self._patience
        )

    async def devices(self, previous: DeviceList | None = None) -> DeviceList:
        """List the devices. Those that equal one of ``previous`` are the identical objects."""
        answer = await self._list(f"{self._tailnet}/devices?fields=default", "devices:core:read")
        try:
            return decode_devices(answer.body, where=answer.where, previous=previous)
        except MalformedAnswerError as exc:
            raise answer.malformed(exc.message) from exc

    async def device(self, node_id: str) -> Device:
        """Ask for one device. Only NotFoundError says that there is none."""
        answer = await self._get(f"/api/v2/device/{_segment(node_id)}?fields=default")
        try:
            return decode_device(answer.body, where=answer.where)
        except MalformedAnswerError as exc:
            raise answer.malformed(exc.message) from exc

    async def services(self) -> tuple[VIPService, ...]:
        """List the Tailscale Services, sorted by name.

        The documented path is asked first, then the one that Tailscale's own clients use. Both
        unknown: NotFoundError where no answer is in the API's words (it has no such thing as
        Services), else AuthError, since so is a missing scope answered.
        """
        try:
            answer = await self._get(f"{self._tailnet}/services")
        except (NotFoundError, MalformedAnswerError) as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            answer = await self._other_services(exc)
        return _services(answer)

    async def _other_services(self, first: APIError) -> Answer:
        try:
            return await self._get(f"{self._tailnet}/vip-services")
        except (NotFoundError, MalformedAnswerError) as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            if isinstance(first, NotFoundError) or isinstance(exc, NotFoundError):
                raise _missing_scope(exc, "services:read", "or there are no Services here") from exc
            message = "this control plane has no Tailscale Services"
            raise NotFoundError(message, where=exc.where, status=exc.status) from exc

    async def _list(self, path: str, scope: str) -> Answer:
        try:
            return await self._get(path)
        except NotFoundError as exc:
            raise _missing_scope(exc, scope, "or the tailnet's name is wrong") from exc

    async def _get(self, path: str) -> Answer:
        url = f"{self._base_url}{path}"
        where = f"GET {path.partition('?')[0]}"
        return await self._patience.call(lambda: self._attempt(url), where=where)

    async def _attempt(self, url: str) -> Answer:
        """Ask once, and once more where a token or a key turns out to be outdated."""
        header = await self._authorization.header()
        try:
            return await self._exchange.get(url, header)
        except AuthError as exc:
            if exc.status != HTTPStatus.UNAUTHORIZED:
                raise
            renewed = await self._authorization.renewed(header)
            if renewed is None:
                raise
        return await self._exchange.get(url, renewed)


def _base(url: str) -> str:
    """Return the base URL without the parts that every path brings along."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise ValueError(f"the base URL is none: {exc}") from exc
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise ValueError("the base URL must be https://HOST or http://HOST")
    if parts.userinfo or parts.query or parts.fragment:
        raise ValueError("the base URL must have no credentials, query or fragment")
    return str(parts).rstrip("/").removesuffix("/api/v2").rstrip("/")


def _segment(value: str) -> str:
    """Return the value as one segment of a path; ``@`` and ``:`` stay, as Tailscale's own do."""
    if value in {"", ".", ".."}:
        raise ValueError(f"{value!r} can not stand in a path")
    return quote(value, safe="@:")


def _missing_scope(error: APIError, scope: str, otherwise: str) -> AuthError:
    message = f"a list is never not found: the credentials lack the scope {scope}, {otherwise}"
    return AuthError(message, where=error.where, status=error.status, request_id=error.request_id)


class _Service(msgspec.Struct, rename="camel"):
    name: str
    addrs: list[str] | None = None
    ports: list[str] | None = None
    tags: list[str] | None = None
    comment: str | None = None
    annotations: dict[str, str] | None = None

    def value(self) -> VIPService:
        return VIPService(
            name=self.name,
            addrs=tuple(sorted(set(self.addrs or ()))),
            ports=tuple(sorted(set(self.ports or ()))),
            tags=tuple(sorted(set(self.tags or ()))),
            comment=self.comment or "",
            annotations=tuple(sorted((self.annotations or {}).items())),
        )


class _Services(msgspec.Struct, rename="camel"):
    vip_services: list[_Service]


def _services(answer: Answer) -> tuple[VIPService, ...]:
    try:
        listed = msgspec.json.decode(answer.body, type=_Services).vip_services
    except UNREADABLE as exc:
        raise answer.malformed(f"the body is no list of Services: {exc}") from exc
    return tuple(sorted((service.value() for service in listed), key=lambda one: one.name))
