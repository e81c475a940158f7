"""Resources and children in memory: what is kept of them is what exists, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from discovery.clients.kube.events import EventRecorder, Regarding
from discovery.plan.announcements import Announcement
from discovery.plan.changes import Change
from discovery.plan.slices import EndpointSlice
from discovery.stores import Children
from discovery.v1alpha1 import Key, TailscaleEndpoints
from discovery.v1alpha1_status import TailscaleEndpointsStatus

API_VERSION = "gateway.tailscale.com/v1alpha1"


class MemoryStore:
    """A store that tells the recorder of events what it is told to announce."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder
        self._resources: dict[Key, TailscaleEndpoints] = {}
        self._children: dict[Key, dict[str, Mapping[str, Any]]] = {}
        self._changed: set[Key] = set()

    def put(self, name: str, uid: str, kind: str, *endpoints: Mapping[str, Any]) -> None:
        """Create a resource of static endpoints, which also selects the devices of a type."""
        selectors = [{"key": "service-type", "operator": "In", "values": [kind]}]
        ports = [{"name": "http", "port": 8080}]
        resource = TailscaleEndpoints.model_validate(
            {
                "apiVersion": API_VERSION,
                "kind": "TailscaleEndpoints",
                "metadata": {"name": name, "namespace": "default", "uid": uid, "generation": 1},
                "spec": {
                    "tailnet": "company.ts.net",
                    "endpoints": endpoints,
                    "tagSelectors": selectors,
                    "discovery": {"ports": ports},
                },
            }
        )
        self._resources[resource.key] = resource
        self._changed.add(resource.key)

    def delete(self, name: str) -> None:
        """Delete a resource; its children stay until a pass takes them away."""
        key = Key("default", name)
        del self._resources[key]
        self._changed.add(key)

    def keys(self) -> set[Key]:
        return self._resources.keys() | self._children.keys()

    def refresh(self) -> set[Key]:
        changed, self._changed = self._changed, set()
        return changed

    def get(self, key: Key) -> TailscaleEndpoints | None:
        return self._resources.get(key)

    async def children(self, key: Key) -> Children:
        held = self._children.get(key, {}).values()
        services = tuple(one for one in held if one["kind"] == "Service")
        slices = tuple(EndpointSlice.parse(one) for one in held if one["kind"] != "Service")
        return Children(services, slices)

    async def known_nodes(self, keys: Iterable[Key]) -> set[str]:
        slices = [one for key in keys for one in (await self.children(key)).slices]
        return {e.node_id for one in slices for e in one.endpoints if e.node_id}

    async def apply(self, key: Key, groups: Sequence[Sequence[Change]]) -> None:
        held = self._children.setdefault(key, {})
        for change in (change for group in groups for change in group):
            if change.after is None:
                held.pop(f"{change.kind}/{change.name}")
            else:
                held[f"{change.kind}/{change.name}"] = change.after
        if not held:
            del self._children[key]

    async def report(self, key: Key, status: TailscaleEndpointsStatus) -> None:
        self._resources[key] = self._resources[key].model_copy(update={"status": status})

    async def remove(self, key: Key) -> None:
        self._children.pop(key, None)

    async def flush(self) -> None:
        """Do nothing: everything is visible at once."""

    def announce(self, key: Key, said: Announcement) -> None:
        uid = self._resources[key].metadata.uid
        about = Regarding(API_VERSION, "TailscaleEndpoints", key.namespace, key.name, uid)
        kind: Literal["Normal", "Warning"] = "Warning" if said.is_warning else "Normal"
        self._recorder.record(about, kind, said.reason, said.action, said.note)
