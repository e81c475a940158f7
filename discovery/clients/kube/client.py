"""Reads and writes of one cluster: raw JSON in and out, never typed models."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

import aiohttp
from msgspec.json import encode as _encode

from discovery.clients.errors import APIError
from discovery.clients.kube.decoding import (
    Breath,
    Lines,
    decode_event,
    decode_object,
    decode_page,
    project_items,
)
from discovery.clients.kube.errors import ExpiredError
from discovery.clients.kube.resources import Resource
from discovery.clients.kube.transport import Call, Transport, until_cut
from discovery.clients.retrying import Patience
from discovery.plan.owner import FIELD_MANAGER

_T = TypeVar("_T")

Object = dict[str, Any]
"""An object of the API, as JSON."""
Many = list[_T]
"""What ``list`` is called where a method has that name."""

OnRequest = Callable[[str, str, str, float], None]
"""Told of each request: verb, plural, status code or ``error``, seconds until it was answered."""

PAGE: Final = 500
"""Objects per page of a list: what kubectl asks for too."""

QUIET: Final = 90.0
"""Seconds without a byte after which a watch is over: bookmarks come about each minute."""

_QUIET_READ: Final = 15.0  # the same for a read: it is repeated on another connection
_RESTARTS: Final = 3
_GRACE: Final = 30  # seconds that a watch may outlive what was asked of the server
_AS_MANAGER: Final = {"fieldManager": FIELD_MANAGER}


class KubeClient:
    """One cluster, as one identity. Every method returns the whole answer or raises an APIError.

    ``namespace`` is that of the context or of the service account. ``patience`` repeats reads;
    writes are one attempt. A watch without a byte for ``quiet`` seconds is over: a connection that
    is dead on one side only looks the same.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        namespace: str = "default",
        patience: Patience | None = None,
        quiet: float = QUIET,
        on_request: OnRequest | None = None,
    ) -> None:
        self.namespace = namespace
        self._transport = transport
        self._patience = patience or Patience()
        self._quiet = quiet
        self._on_request = on_request

    @property
    def server(self) -> str:
        """The URL of the API server, for messages."""
        return self._transport.server

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str | None = None,
        timeout: float = 30.0,  # noqa: ASYNC109 - it ends the one request, in seconds
    ) -> Object:
        """Send one request to any path, once, and return the JSON object that answers it."""
        content = None if body is None else _encode(body)
        call = Call(method, path, query or {}, content, content_type or "application/json", timeout)
        return await self._object(method.lower(), "", call)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """Read one object; NotFoundError alone says that there is none."""
        call = Call("GET", resource.path(namespace, name), quiet=_QUIET_READ)
        return await self._patience.call(
            lambda: self._object("get", resource.plural, call), where=call.where
        )

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        limit: int = PAGE,
    ) -> tuple[Many[Object], str]:
        """Return all objects, read by pages, and the resourceVersion to watch them from."""
        return await self.collect(
            resource, lambda item: item, namespace=namespace, labels=labels, limit=limit
        )

    async def collect(
        self,
        resource: Resource,
        project: Callable[[Object], _T],
        *,
        namespace: str | None = None,
        labels: str = "",
        limit: int = PAGE,
        retried: bool = True,
    ) -> tuple[Many[_T], str]:
        """Return as :meth:`list` what ``project`` makes of each object, so that only that is kept.

        An expired continue token begins the list anew, three times at most. Without ``retried``
        any other failure ends it.
        """
        query = {"limit": str(limit)} | ({"labelSelector": labels} if labels else {})
        call = Call("GET", resource.path(namespace), query, quiet=_QUIET_READ)
        for _ in range(_RESTARTS):
            with suppress(ExpiredError):
                return await self._pages(resource, call, project, retried=retried)
        return await self._pages(resource, call, project, retried=retried)

    async def create(
        self, resource: Resource, namespace: str | None, body: Object, *, subresource: str = ""
    ) -> Object:
        """Create an object; ConflictError says that there is one of that name."""
        # A subresource belongs to an object, so that the name is in the path.
        name = body["metadata"]["name"] if subresource else None
        path = resource.path(namespace, name, subresource)
        return await self._write("create", resource, "POST", path, body)

    async def apply(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Object,
        *,
        subresource: str = "",
    ) -> Object:
        """Create or change an object by server-side apply, taking over fields of other managers.

        A ``uid`` or ``resourceVersion`` in the metadata of ``body`` is a precondition
        (ConflictError).
        """
        path = resource.path(namespace, name, subresource)
        call = Call(
            "PATCH",
            path,
            _AS_MANAGER | {"force": "true"},
            _encode(body),
            "application/apply-patch+yaml",  # of which JSON is a part
        )
        return await self._object("apply", resource.plural, call)

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object
    ) -> Object:
        """Replace an object; the resourceVersion in ``body`` is the precondition."""
        return await self._write("update", resource, "PUT", resource.path(namespace, name), body)

    async def json_patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
    ) -> Object:
        """Change an object by the operations of RFC 6902; a failed ``test`` is a RejectedError."""
        call = Call(
            "PATCH",
            resource.path(namespace, name),
            _AS_MANAGER,
            _encode(operations),
            "application/json-patch+json",
        )
        return await self._object("patch", resource.plural, call)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
    ) -> None:
        """Delete the one object that has this uid, and this version where one is given.

        ConflictError says that it is another one by now; what it owns goes in the background.
        """
        preconditions = {"uid": uid}
        if resource_version is not None:
            preconditions["resourceVersion"] = resource_version
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        path = resource.path(namespace, name)
        await self._object("delete", resource.plural, Call("DELETE", path, {}, _encode(body)))

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        seconds: int,
        opened: Callable[[], None] | None = None,
    ) -> AsyncGenerator[Object, None]:
        """Give what happens after ``resource_version``: ``{"type", "object"}``, with BOOKMARKs.

        It ends with no error when the server ends it (after ``seconds``), when the connection is
        cut, and when that falls silent: ask again from the last version seen. ``opened`` is told
        that the server has agreed. ExpiredError asks for a new list.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        } | ({"labelSelector": labels} if labels else {})
        path = resource.path(namespace)
        call = Call("GET", path, query, total=seconds + _GRACE, quiet=self._quiet)
        lines, breath = Lines(), Breath()
        async with self._opened("watch", resource.plural, call) as response:
            if opened is not None:
                opened()
            async for chunk in until_cut(response):
                for line in lines.feed(chunk, where=call.where):
                    yield decode_event(line, where=call.where)
                    await breath.after(len(line))

    async def _write(
        self, verb: str, resource: Resource, method: str, path: str, body: Object
    ) -> Object:
        return await self._object(
            verb, resource.plural, Call(method, path, _AS_MANAGER, _encode(body))
        )

    async def _pages(
        self, resource: Resource, first: Call, project: Callable[[Object], _T], *, retried: bool
    ) -> tuple[Many[_T], str]:
        complete = {"apiVersion": resource.api_version, "kind": resource.kind}
        collected: Many[_T] = []
        version, call = "", first

        async def read() -> bytes:
            return await self._body("list", resource.plural, call)

        while True:
            body = await (self._patience.call(read, where=call.where) if retried else read())
            page = decode_page(body, where=call.where)
            collected += await project_items(page, complete, project, where=call.where)
            version = version or page.metadata.resource_version
            if not page.metadata.continue_token:
                return collected, version
            call = replace(first, query={**first.query, "continue": page.metadata.continue_token})

    async def _object(self, verb: str, plural: str, call: Call) -> Object:
        return decode_object(await self._body(verb, plural, call), where=call.where)

    async def _body(self, verb: str, plural: str, call: Call) -> bytes:
        async with self._opened(verb, plural, call) as response:
            return await response.read()

    @asynccontextmanager
    async def _opened(
        self, verb: str, plural: str, call: Call
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open the answer and tell ``on_request`` of it once its head is there."""
        began, answered = self._patience.monotonic(), False
        try:
            async with self._transport.open(call) as response:
                answered = True
                self._tell(verb, plural, str(response.status), began)
                yield response
        except APIError as error:
            if not answered:
                self._tell(verb, plural, str(error.status or "error"), began)
            raise

    def _tell(self, verb: str, plural: str, code: str, began: float) -> None:
        if self._on_request is not None:
            self._on_request(verb, plural, code, self._patience.monotonic() - began)
