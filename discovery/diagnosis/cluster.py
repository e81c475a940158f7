"""The cluster: whether the API server is new enough, and CRD, rights and Lease are there."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from discovery.clients.errors import APIError, AuthError, NotFoundError
from discovery.clients.kube.access import Permission, missing
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.errors import NotServedError
from discovery.clients.kube.lease_record import LeaseRecord
from discovery.clients.kube.resources import LEASES, TAILSCALE_ENDPOINTS
from discovery.crd import object_schema
from discovery.diagnosis.check import Check, Result
from discovery.diagnosis.ranges import Network, check_ranges

OLDEST: Final = (1, 32)
"""The oldest API server whose CEL knows all that the CRD's rules ask of it."""

CHECKS: Final = ("API server", "CRD", "rights", "Lease", "address ranges")

_GROUP: Final = f"/apis/{TAILSCALE_ENDPOINTS.api_version}"
_UPGRADE: Final = "Run helm upgrade, or: tailnet-discovery crd | kubectl apply --server-side -f -"
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Installation:
    """What a controller would want of the cluster.

    ``lease`` is the name of its Lease, in the namespace of the client; ``namespace`` is the one
    that it watches, None for all; ``denied`` are the configured ``deniedCIDRs``.
    """

    lease: str
    namespace: str | None
    permissions: Sequence[Permission]
    denied: Collection[Network] = ()


async def check_cluster(client: KubeClient, wanted: Installation) -> list[Check]:
    """Ask a cluster everything, as the identity that ``client`` has."""
    server = await _check_server(client)
    if server.result is Result.FAILED:
        unasked = "the API server does not serve us"
        return [server, *(Check(name, Result.SKIPPED, unasked) for name in CHECKS[1:])]
    return [
        server,
        await _check_crd(client),
        await _check_rights(client, wanted),
        await _check_lease(client, wanted.lease),
        await check_ranges(client, wanted.denied),
    ]


async def _check_server(client: KubeClient) -> Check:
    try:
        said = await client.request("GET", "/version", timeout=10)
    except AuthError as error:
        text = f"{client.server}: {error}. Log in again, or choose another context."
        return Check("API server", Result.FAILED, text)
    except APIError as error:
        text = f"{error}. Look at the kubeconfig's server, at the network and at the proxy."
        return Check("API server", Result.FAILED, text)
    version = str(said.get("gitVersion", ""))
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    text = f"{client.server}, {version or 'of an unknown version'}"
    if numbers is None:
        return Check("API server", Result.WARNING, f"{text}. It should be 1.32 or newer.")
    if (int(numbers[1]), int(numbers[2])) < OLDEST:
        text += " is too old: the rules of the CRD need 1.32 or newer. Upgrade the cluster."
        return Check("API server", Result.FAILED, text)
    return Check("API server", Result.OK, text)


async def _check_crd(client: KubeClient) -> Check:
    """Compare what is served with our own schema, by what every identity may read."""
    try:
        served = await client.request("GET", _GROUP, timeout=10)
        names = {resource.get("name") for resource in served.get("resources", ())}
    except NotServedError:
        names = set()
    except APIError as error:
        return Check("CRD", Result.SKIPPED, f"what is served can not be asked: {error}")
    if not {TAILSCALE_ENDPOINTS.plural, f"{TAILSCALE_ENDPOINTS.plural}/status"} <= names:
        text = f"{TAILSCALE_ENDPOINTS.plural} of {TAILSCALE_ENDPOINTS.api_version} is not served"
        return Check("CRD", Result.FAILED, f"{text}. {_UPGRADE}")
    try:
        published = await client.request("GET", f"/openapi/v3{_GROUP}", timeout=10)
    except APIError as error:
        return Check("CRD", Result.WARNING, f"served; its schema can not be compared: {error}")
    lacking = sorted(set(_fields(object_schema())) - set(_fields(_schema(published))))
    if lacking:
        shown = ", ".join(lacking[:_NAMED]) + (" and more" if len(lacking) > _NAMED else "")
        text = f"served, but older than this version: it lacks {shown}. {_UPGRADE}"
        return Check("CRD", Result.FAILED, text)
    return Check("CRD", Result.OK, f"{TAILSCALE_ENDPOINTS.api_version} is served, as it should be")


async def _check_rights(client: KubeClient, wanted: Installation) -> Check:
    namespace = wanted.namespace
    try:
        lacking = await missing(client, wanted.permissions, namespace, lease=wanted.lease)
    except APIError as error:
        return Check("rights", Result.SKIPPED, f"they can not be asked: {error}")
    if lacking:
        listed = "; ".join(map(str, lacking))
        text = f"missing: {listed}. Bind the chart's role to the account that runs the controller."
        return Check("rights", Result.FAILED, text)
    place = "in every namespace" if namespace is None else f"in {namespace}"
    return Check("rights", Result.OK, f"all that the controller needs, {place}")


async def _check_lease(client: KubeClient, name: str) -> Check:
    place = f"{client.namespace}/{name}"
    try:
        lease = await client.get(LEASES, client.namespace, name)
    except NotFoundError:
        text = f"there is no {place} yet: no controller has run in this namespace"
        return Check("Lease", Result.OK, text)
    except AuthError as error:
        return Check("Lease", Result.SKIPPED, f"{place} can not be read: {error}")
    except APIError as error:
        return Check("Lease", Result.WARNING, f"{place} can not be read: {error}")
    record = LeaseRecord.of(lease)
    if not record.holder:
        return Check("Lease", Result.OK, f"nobody holds {place}")
    text = f"{record.holder} holds {place}, renewed at {record.renewed or 'an unknown time'}"
    return Check("Lease", Result.OK, text)


def _schema(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of our kind in an OpenAPI document; an empty one where it is not there."""
    schemas = document.get("components", {}).get("schemas", {})
    for schema in schemas.values():
        kinds = schema.get("x-kubernetes-group-version-kind", ())
        if any(kind.get("kind") == TAILSCALE_ENDPOINTS.kind for kind in kinds):
            return dict(schema)
    return {}


def _fields(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of all fields, and with them the values of those that have a fixed set."""
    yield from (f"{path}={value}" for value in schema.get("enum", ()))
    for name, field in schema.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        yield inner
        yield from _fields(field, inner)
    if isinstance(schema.get("items"), Mapping):
        yield from _fields(schema["items"], f"{path}[]")
