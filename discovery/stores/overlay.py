"""Manifests over a cluster: what would come of them if they were applied there."""

from contextlib import suppress

from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.errors import NotServedError
from discovery.stores.approval import with_approval
from discovery.stores.cluster import ClusterStore, Resource
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key, TailscaleEndpoints


class ManifestsOverCluster(ClusterStore):
    """Resources from manifests, children from the cluster; nothing can be written."""

    def __init__(self, client: KubeClient, instance: str, manifests: DirectoryStore) -> None:
        self._manifests = manifests
        namespaces = {key.namespace for key in manifests.keys()}  # noqa: SIM118 - no mapping
        namespace = namespaces.pop() if len(namespaces) == 1 else None
        super().__init__(client, instance, namespace=namespace, may_write=lambda: False)

    async def load(self) -> None:
        """Read what exists; without the CRD nothing can. Raises APIError."""
        with suppress(NotServedError):
            await super().load()

    def keys(self) -> set[Key]:
        """Return the key of every manifest."""
        return self._manifests.keys()

    def get(self, key: Key) -> Resource | None:
        """Return a manifest's resource with uid, status and approval as in the cluster."""
        resource = self._manifests.get(key)
        there = super().get(key)
        if not isinstance(resource, TailscaleEndpoints) or there is None:
            return resource
        is_edited = isinstance(there, TailscaleEndpoints) and there.spec != resource.spec
        update = {
            "uid": there.metadata.uid,
            # As it will be once the manifest is applied: an edit is judged as one.
            "generation": there.metadata.generation + is_edited,
        }
        metadata = resource.metadata.model_copy(update=update)
        known = resource.model_copy(update={"metadata": metadata, "status": there.status})
        return with_approval(known, there.metadata)
