"""One Lease in the cluster: read and written in single attempts, for an elector counts the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from discovery.clients.errors import NotFoundError
from discovery.clients.kube.resources import LEASES
from discovery.plan.owner import FIELD_MANAGER


class LeaseRequests(Protocol):
    """The part of KubeClient that an election needs: one attempt of one request."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = ...,
        body: Any = ...,
        timeout: float = ...,  # noqa: ASYNC109 - the client's own parameter
    ) -> dict[str, Any]:
        """Return the answer's object, or raise an APIError."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLease:
    """A Lease by its place. Both methods raise APIError; ``limit`` is in seconds."""

    client: LeaseRequests
    namespace: str
    name: str

    @property
    def place(self) -> str:
        """Namespace and name, for messages."""
        return f"{self.namespace}/{self.name}"

    async def read(self, limit: float) -> dict[str, Any] | None:
        """Return the Lease, or None where there is none."""
        try:
            path = LEASES.path(self.namespace, self.name)
            return await self.client.request("GET", path, timeout=limit)
        except NotFoundError:
            return None

    async def write(
        self, lease: Mapping[str, Any] | None, spec: Mapping[str, Any], limit: float
    ) -> dict[str, Any]:
        """Store ``spec`` in the Lease as it was read; in a new one where there was none.

        The resourceVersion that was read is the precondition (ConflictError): whoever was faster
        has won.
        """
        method, path = "PUT", LEASES.path(self.namespace, self.name)
        if lease is None:
            method, path = "POST", LEASES.path(self.namespace)
        return await self.client.request(
            method,
            path,
            query={"fieldManager": FIELD_MANAGER},
            body={
                "apiVersion": LEASES.api_version,
                "kind": LEASES.kind,
                "metadata": {"name": self.name} if lease is None else lease["metadata"],
                "spec": spec,
            },
            timeout=limit,
        )
