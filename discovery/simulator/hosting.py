"""Which devices advertise a Service, and which of them are approved to serve it."""

from collections.abc import Mapping
from typing import Any, Final

from discovery.simulator.refusals import JSONObject

AUTO: Final = "approved:auto"
MANUAL: Final = "approved:manual"
NOT_APPROVED: Final = "not-approved"


class Hosting:
    """The hosts of every Service, by its name and the host's ``nodeId``.

    A device advertises a Service by itself, so only the control interface adds a host; approving a
    device that does not advertise it is remembered for the day it does.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, dict[str, JSONObject]] = {}
        self._levels: dict[str, dict[str, str]] = {}

    def replace(self, hosts: Mapping[str, list[JSONObject]]) -> None:
        """Set who advertises what; a host is ``{"nodeId", "approvalLevel"?, "configured"?}``.

        A host without a level has the one that it was approved with.
        """
        self._hosts = {
            name: {host["nodeId"]: {"configured": "ready", **host} for host in advertised}
            for name, advertised in hosts.items()
        }
        for name, advertised in self._hosts.items():
            for node, host in advertised.items():
                if "approvalLevel" in host:
                    self._levels.setdefault(name, {})[node] = host["approvalLevel"]

    def everything(self) -> dict[str, list[Any]]:
        """Return the hosts of every Service that has any."""
        return {name: self._listed(name) for name in self._hosts if self._hosts[name]}

    def listed(self, name: str) -> JSONObject:
        """Answer the hosts of a Service: the body is ``{}`` where there are none (observed)."""
        hosts = self._listed(name)
        return {"hosts": hosts} if hosts else {}

    def approval(self, name: str, node: str) -> JSONObject:
        """Answer whether a device may serve a Service."""
        level = self._level(name, node)
        return {"approved": level != NOT_APPROVED, "autoApproved": level == AUTO}

    def approve(self, name: str, node: str, *, approved: bool) -> JSONObject:
        """Approve a device or take the approval back, and answer as :meth:`approval` does."""
        levels = self._levels.setdefault(name, {})
        if approved:
            levels[node] = MANUAL if self._level(name, node) != AUTO else AUTO
        else:
            levels.pop(node, None)
        return self.approval(name, node)

    def rename(self, old: str, new: str) -> None:
        """Let a Service keep its hosts under its new name."""
        self._hosts[new] = self._hosts.pop(old, {})
        self._levels[new] = self._levels.pop(old, {})

    def forget(self, name: str) -> None:
        """Drop the hosts and approvals of a Service that was deleted."""
        self._hosts.pop(name, None)
        self._levels.pop(name, None)

    def _listed(self, name: str) -> list[JSONObject]:
        return [
            # The service's key is nodeId, whatever its own document says.
            {**host, "approvalLevel": self._level(name, node)}
            for node, host in self._hosts.get(name, {}).items()
        ]

    def _level(self, name: str, node: str) -> str:
        return self._levels.get(name, {}).get(node, NOT_APPROVED)
