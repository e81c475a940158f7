"""Whether the cluster's own addresses lie in the ranges of tailnets.

An endpoint of such an address would be a pod, a Service or a node, not a machine of the tailnet:
``deniedCIDRs`` keep them apart. Routes overlap as well then, which no setting of ours can mend.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, Final

from discovery.addresses import RANGES
from discovery.clients.errors import APIError
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.errors import NotServedError
from discovery.clients.kube.resources import Resource
from discovery.diagnosis.check import Check, Result

Network = IPv4Network | IPv6Network

NODES: Final = Resource("", "v1", "nodes", "Node")
SERVICE_CIDRS: Final = Resource("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR")

_NAME: Final = "address ranges"
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Range:
    """A network of the cluster, and whose it is."""

    owner: str
    network: Network

    def __str__(self) -> str:
        return f"{self.network} ({self.owner})"


async def check_ranges(client: KubeClient, denied: Collection[Network]) -> Check:
    """Read the ranges of Services, pods and nodes as far as the identity may, and compare them."""
    found: list[Range] = []
    unread: list[str] = []
    for resource, ranges_of in ((SERVICE_CIDRS, _of_service_cidr), (NODES, _of_node)):
        try:
            items, _ = await client.list(resource)
        except NotServedError:
            unread.append(f"the server has no {resource.plural}")
        except APIError as error:
            unread.append(f"the right to list {resource.plural} is needed ({error})")
        else:
            found += [one for item in items for one in ranges_of(item)]
    exposed = uncovered(found, denied)
    if exposed:
        listed = ", ".join(map(str, exposed[:_NAMED])) + (" …" if len(exposed) > _NAMED else "")
        advice = "Add them to deniedCIDRs, so that no endpoint is taken for a machine of a tailnet."
        return Check(_NAME, Result.WARNING, f"within the tailnet's ranges: {listed}. {advice}")
    if unread:
        return Check(_NAME, Result.SKIPPED, f"not all can be compared: {'; '.join(unread)}")
    text = f"{len(found)} of Services, pods and nodes compared, none is open to tailnet addresses"
    return Check(_NAME, Result.OK, text)


def uncovered(found: Iterable[Range], denied: Collection[Network]) -> list[Range]:
    """Return the parts of the ranges that an endpoint's address could lie in, sorted, each once."""
    refused = [network for version in (4, 6) for network in _collapsed(denied, version)]
    parts = {
        Range(one.owner, part)
        for one in found
        for tailnet in RANGES
        if (part := _overlap(one.network, tailnet)) is not None
        and not any(_contains(network, part) for network in refused)
    }
    key = lambda one: (one.network.version, int(one.network.network_address), one.owner)  # noqa: E731
    return sorted(parts, key=key)


def _collapsed(networks: Iterable[Network], version: int) -> Iterable[Network]:
    # Two halves that are denied are the whole: collapsing makes it one network again.
    return collapse_addresses(network for network in networks if network.version == version)  # type: ignore[type-var]


def _overlap(one: Network, other: Network) -> Network | None:
    """Return what two networks share: the smaller one of them, or nothing."""
    if _contains(one, other):
        return other
    return one if _contains(other, one) else None


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _of_service_cidr(item: Mapping[str, Any]) -> list[Range]:
    return _ranges("Services", item.get("spec", {}).get("cidrs"))


def _of_node(item: Mapping[str, Any]) -> list[Range]:
    name = item.get("metadata", {}).get("name", "?")
    spec, status = item.get("spec", {}), item.get("status", {})
    addresses = [
        address.get("address")
        for address in status.get("addresses") or ()
        if address.get("type") in {"InternalIP", "ExternalIP"}
    ]
    pods = spec.get("podCIDRs") or [spec.get("podCIDR")]
    return [*_ranges(f"pods of {name}", pods), *_ranges(f"node {name}", addresses)]


def _ranges(owner: str, texts: Iterable[str | None] | None) -> list[Range]:
    found = []
    for text in texts or ():
        try:
            found.append(Range(owner, ip_network(text or "", strict=False)))
        except ValueError:
            continue
    return found
