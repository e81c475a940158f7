from ipaddress import IPv4Address, IPv6Address

import pytest

from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.endpointslice import AddressType
from discovery.plan.owner import Owner
from discovery.plan.ports import Port, Transport
from discovery.plan.slices import Group, SliceEndpoint, desired, digest

OWNER = Owner("default", "web", "uid-1", "web", headless=True, instance="main")
V4 = IPv4Address("100.64.0.1")
V6 = IPv6Address("fd7a:115c:a1e0::1")
HTTP = Port("http", 80, app_protocol="http")
METRICS = Port("metrics", 9100)
CHECKED = Port("http", 80, app_protocol="http", checked=True)


def api(
    *ports: Port, name: str = "api-1", addresses: tuple[IPv4Address | IPv6Address, ...] = (V4,)
) -> Endpoint:
    return Endpoint(name, Source.TAG_SELECTOR, "n1", "api-1.x.ts.net", addresses, ports)


def test_no_endpoints_are_no_groups() -> None:
    assert desired(OWNER, []).groups == {}


def test_unchecked_ports_share_a_slice() -> None:
    assert desired(OWNER, [api(METRICS, HTTP)]).groups == {
        Group(AddressType.IPV4, (HTTP, METRICS)): (SliceEndpoint("api-1", "100.64.0.1", "n1"),)
    }


def test_a_checked_port_has_slices_of_its_own() -> None:
    found = desired(OWNER, [api(CHECKED, METRICS)], lambda _address, _port: False)
    assert found.groups == {
        Group(AddressType.IPV4, (HTTP,)): (
            SliceEndpoint("api-1", "100.64.0.1", "n1", ready=False, serving=False),
        ),
        Group(AddressType.IPV4, (METRICS,)): (SliceEndpoint("api-1", "100.64.0.1", "n1"),),
    }


def test_endpoints_with_and_without_a_check_share_a_slice_where_their_ports_are_equal() -> None:
    found = desired(OWNER, [api(CHECKED), api(HTTP, name="api-2")])
    (endpoints,) = found.groups.values()
    assert [e.name for e in endpoints] == ["api-1", "api-2"]


def test_readiness_is_asked_for_each_checked_port_of_each_address_only() -> None:
    asked: list[object] = []

    def readiness(address: IPv4Address | IPv6Address, port: Port) -> bool:
        asked.append((address, port))
        return True

    desired(OWNER, [api(CHECKED, METRICS, addresses=(V4, V6))], readiness)
    assert asked == [(V4, CHECKED), (V6, CHECKED)]


def test_each_family_has_its_own_slices() -> None:
    assert list(desired(OWNER, [api(HTTP, addresses=(V4, V6))]).groups) == [
        Group(AddressType.IPV4, (HTTP,)),
        Group(AddressType.IPV6, (HTTP,)),
    ]


def test_each_number_has_its_own_slices() -> None:
    other = api(Port("http", 8080, app_protocol="http"), name="api-2")
    assert len(desired(OWNER, [api(HTTP), other]).groups) == 2


def test_a_port_name_that_an_endpoint_has_twice_stands_in_two_slices() -> None:
    found = desired(OWNER, [api(Port("http", 80), Port("http", 8080), METRICS)])
    assert [[(p.name, p.number) for p in group.ports] for group in found.groups] == [
        [("http", 80), ("metrics", 9100)],
        [("http", 8080)],
    ]


def test_endpoints_are_sorted_by_name() -> None:
    found = desired(OWNER, [api(HTTP, name="b"), api(HTTP, name="a")])
    assert [e.name for e in found.groups[Group(AddressType.IPV4, (HTTP,))]] == ["a", "b"]


def test_equal_desired_states_have_equal_digests() -> None:
    first = desired(OWNER, [api(HTTP, name="a"), api(HTTP, name="b")])
    second = desired(OWNER, [api(HTTP, name="b"), api(HTTP, name="a")])
    assert digest(first) == digest(second)
    assert len(digest(first)) == 64


@pytest.mark.parametrize(
    "endpoint",
    [
        api(HTTP, name="api-2"),
        api(METRICS),
        api(Port("http", 80, Transport.UDP, "http")),
        api(HTTP, addresses=(IPv4Address("100.64.0.2"),)),
        api(HTTP, addresses=(V4, V6)),
    ],
)
def test_digests_differ_with_endpoints(endpoint: Endpoint) -> None:
    assert digest(desired(OWNER, [endpoint])) != digest(desired(OWNER, [api(HTTP)]))


def test_digests_differ_with_readiness_and_owner() -> None:
    plain = digest(desired(OWNER, [api(CHECKED)]))
    assert digest(desired(OWNER, [api(CHECKED)], lambda _address, _port: False)) != plain
    other = Owner("default", "web", "uid-1", None, headless=True, instance="main")
    assert digest(desired(other, [api(CHECKED)])) != plain
