"""The cluster of a chaos run as its administrator sees it: every state of the slices, and edits.

The slices are watched directly, from the beginning, through every restart of the API server: what a
watch can not tell afterwards is read from the store version by version.
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import httpx

from tests.chaos.oracle import Slices
from tests.chaos.world import Selector, manifest
from tests.controlplane.access import GROUP_PATH, ControlPlane

NAMESPACE: Final = "chaos"
MARKER: Final = "chaos-marker"
NODES: Final = "gateway.tailscale.com/nodes"
GONE: Final = 410
TOLD_WITHIN: Final = 20.0  # seconds until the watch tells of a write
_SLICES: Final = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
_RESOURCES: Final = f"{GROUP_PATH}/namespaces/{NAMESPACE}/tailscaleendpoints"
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}

Seen = Callable[[Slices], None]


class Observer:
    """Watches the slices; ``on_state`` is told of each state. ``gaps`` counts states that nobody
    can tell any more."""

    def __init__(self, server: ControlPlane, on_state: Seen) -> None:
        self.gaps = 0
        self.states = 0
        self._server = server
        self._on_state = on_state
        self._slices: dict[str, dict[str, Any]] = {}
        self._version = 0
        self._marked = -1
        self._news = asyncio.Event()
        self._http = _client(server)

    async def begin(self) -> None:
        """Make the namespace, and begin to watch."""
        made = await self._http.post("/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}})
        made.raise_for_status()
        marker = {
            "metadata": {"name": MARKER, "annotations": {"step": "0"}},
            "addressType": "IPv4",
            "endpoints": [],
        }
        (await self._http.post(_SLICES, json=marker)).raise_for_status()
        listed = (await self._http.get(_SLICES)).raise_for_status().json()
        self._version = int(listed["metadata"]["resourceVersion"])
        self._task = asyncio.create_task(self._follow())

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._http.aclose()

    async def create(self, name: str, selector: Selector) -> int:
        """Create a resource; return its generation."""
        made = await self._http.post(_RESOURCES, json=manifest(name, NAMESPACE, selector))
        return int(made.raise_for_status().json()["metadata"]["generation"])

    async def edit(self, name: str, selector: Selector) -> int:
        """Give a resource another selector; return its generation."""
        spec = {"tagSelectors": manifest(name, NAMESPACE, selector)["spec"]["tagSelectors"]}
        made = await self._http.patch(f"{_RESOURCES}/{name}", json={"spec": spec}, headers=_MERGE)
        return int(made.raise_for_status().json()["metadata"]["generation"])

    async def catch_up(self, step: int) -> None:
        """Return when every state up to now has been told: a mark of ours comes after them."""
        body = {"metadata": {"annotations": {"step": str(step)}}}
        written = await self._http.patch(f"{_SLICES}/{MARKER}", json=body, headers=_MERGE)
        written.raise_for_status()
        async with asyncio.timeout(TOLD_WITHIN):
            while self._marked < step:
                self._news.clear()
                await self._news.wait()

    async def _follow(self) -> None:
        while True:
            try:
                await self._watch()
            except (httpx.TransportError, httpx.HTTPStatusError):
                await asyncio.sleep(0.1)  # a server that is away says nothing of its return

    async def _watch(self) -> None:
        query = {"watch": "true", "resourceVersion": str(self._version)}
        timeout = httpx.Timeout(10, read=None)
        async with self._http.stream("GET", _SLICES, params=query, timeout=timeout) as answer:
            if answer.status_code == GONE:
                await self._fill_gap()
                return
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    await self._fill_gap()
                    return
                self._take(event["type"], event["object"])

    def _take(self, change: str, found: dict[str, Any]) -> None:
        metadata = found["metadata"]
        self._version = int(metadata["resourceVersion"])
        if change == "DELETED":
            self._slices.pop(metadata["name"], None)
        else:
            self._slices[metadata["name"]] = found
        self._tell()

    async def _fill_gap(self) -> None:
        """Read each state that the watch can not tell any more."""
        current = (await self._http.get(_SLICES)).raise_for_status().json()
        last = int(current["metadata"]["resourceVersion"])
        for version in range(self._version + 1, last):
            query = {"resourceVersion": str(version), "resourceVersionMatch": "Exact"}
            answer = await self._http.get(_SLICES, params=query)
            if answer.status_code == GONE:
                self.gaps += 1
                continue
            self._replace(answer.raise_for_status().json(), version)
        self._replace(current, last)

    def _replace(self, listed: dict[str, Any], version: int) -> None:
        self._slices = {one["metadata"]["name"]: one for one in listed["items"]}
        self._version = version
        self._tell()

    def _tell(self) -> None:
        self.states += 1
        self._on_state(_endpoints(self._slices))
        with suppress(KeyError):
            self._marked = int(self._slices[MARKER]["metadata"]["annotations"]["step"])
        self._news.set()


def _endpoints(slices: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the node of every ready address, by resource."""
    found: dict[str, dict[str, str]] = {}
    for _, one in sorted(slices.items()):
        metadata = one["metadata"]
        owner = next((o["name"] for o in metadata.get("ownerReferences", ())), None)
        if owner is None:
            continue
        nodes = json.loads(metadata.get("annotations", {}).get(NODES, "{}"))
        held = found.setdefault(owner, {})
        for endpoint in one.get("endpoints") or ():
            if endpoint.get("conditions", {}).get("ready") is False:
                continue
            for address in endpoint["addresses"]:
                held.setdefault(address, nodes.get(endpoint.get("hostname"), ""))
    return found


def _client(server: ControlPlane) -> httpx.AsyncClient:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(server.ca)
    return httpx.AsyncClient(
        base_url=server.url,
        verify=context,
        headers={"Authorization": f"Bearer {server.admin_token}"},
        timeout=10,
        trust_env=False,
    )
