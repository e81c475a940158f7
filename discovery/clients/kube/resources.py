"""The kinds of objects that are read and written, and their URL paths."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the API server names it; the group ``""`` is the core group."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str = ""
    ) -> str:
        """Return the URL path, quoted, of one object, or of the collection where there is no name.

        Without a namespace it is that of all namespaces, or of a kind that knows none.
        """
        segments = ["apis", self.group] if self.group else ["api"]
        segments.append(self.version)
        if namespace is not None:
            segments += ["namespaces", namespace]
        segments.append(self.plural)
        segments += [segment for segment in (name, subresource) if segment]
        return "".join(f"/{quote(segment, safe='')}" for segment in segments)


TAILSCALE_ENDPOINTS = Resource(
    "gateway.tailscale.com", "v1alpha1", "tailscaleendpoints", "TailscaleEndpoints"
)
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
SERVICES = Resource("", "v1", "services", "Service")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
CRDS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"
)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"
)
