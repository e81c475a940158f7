from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from msgspec import structs

from discovery.plan.changes import Change
from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.endpointslice import EndpointSlice
from discovery.plan.owner import Owner
from discovery.plan.ports import Port
from discovery.plan.retention import held_endpoints, held_nodes, with_known_nodes
from discovery.plan.slices import SliceEndpoint, desired, diff
from discovery.tailnet import UnknownDevice
from discovery.v1alpha1 import DiscoveryPort, EndpointStatus
from discovery.v1alpha1_status import EndpointVerdict

OWNER = Owner("default", "api", "u1", "api", headless=True, instance="default")
CHECKED = Port("http", 8080, app_protocol="http", checked=True)
PLAIN = Port("metrics", 9100)


def endpoint(number: int, source: Source = Source.TAG_SELECTOR) -> Endpoint:
    addresses = (ip_address(f"100.64.0.{number}"), ip_address(f"fd7a:115c:a1e0::{number}"))
    return Endpoint(f"api-{number}", source, f"n{number}", "", addresses, (CHECKED, PLAIN))


def slices(*endpoints: Endpoint) -> list[EndpointSlice]:
    changes = diff([], desired(OWNER, endpoints), datetime(2026, 11, 25, tzinfo=UTC))
    return [EndpointSlice.parse(after(change)) for change in changes]


def after(change: Change) -> Any:
    return change.after


def unknown(node_id: str | None) -> UnknownDevice:
    return UnknownDevice(3, node_id, None, "addresses is no list")


def test_a_device_that_can_not_be_read_keeps_its_endpoint() -> None:
    current = slices(endpoint(1), endpoint(2))

    assert held_nodes(current, [unknown("n1"), unknown("n9")]) == {"n1"}


def test_a_readable_list_holds_nothing() -> None:
    assert held_nodes(slices(endpoint(1)), []) == set()


def test_an_unreadable_node_id_holds_nobody_by_name() -> None:
    assert held_nodes(slices(endpoint(1)), [unknown(None)]) == set()


def test_a_static_endpoint_is_the_users_and_never_held() -> None:
    current = slices(endpoint(1, Source.STATIC))

    assert held_nodes(current, [unknown("n1")]) == set()


def test_an_endpoint_comes_back_from_its_slices_whole() -> None:
    declared = [
        DiscoveryPort.model_validate(
            {"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": {"enabled": True}}
        ),
        DiscoveryPort.model_validate({"name": "metrics", "port": 9100, "protocol": "TCP"}),
    ]

    (held,) = held_endpoints(slices(endpoint(1), endpoint(2)), {"n1"}, declared)

    assert (held.name, held.node_id, held.held) == ("api-1", "n1", True)
    assert held.addresses == endpoint(1).addresses
    assert held.ports == (CHECKED, PLAIN)


def test_a_check_that_is_off_leaves_a_held_port_unchecked() -> None:
    off = {"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": {"enabled": False}}

    (held,) = held_endpoints(slices(endpoint(1)), {"n1"}, [DiscoveryPort.model_validate(off)])

    assert not any(port.checked for port in held.ports)


def test_a_held_endpoint_keeps_its_own_port_number_whatever_is_declared() -> None:
    declared = DiscoveryPort.model_validate({"name": "http", "port": 9999, "protocol": "HTTP"})

    (held,) = held_endpoints(slices(endpoint(1)), {"n1"}, [declared])

    assert [port.number for port in held.ports] == [8080, 9100]


def test_held_endpoints_come_by_name_whatever_the_order_of_slices() -> None:
    current = [held for number in (3, 1, 2) for held in slices(endpoint(number))]
    nodes = {"n1", "n2", "n3"}

    assert [e.name for e in held_endpoints(current, nodes, [])] == ["api-1", "api-2", "api-3"]
    assert held_endpoints(current, nodes, []) == held_endpoints(reversed(current), nodes, [])


def test_a_node_that_a_slice_lost_comes_back_from_status_and_the_others_stay() -> None:
    current = slices(endpoint(1), endpoint(2))
    bare = [replace(held, endpoints=tuple(map(forgetful, held.endpoints))) for held in current]
    entries = [
        EndpointStatus(
            name="api-2",
            status=EndpointVerdict.UNCHECKED,
            source="TagSelector",
            address=f"{address}:8080",
            node_id="n2",
        )
        for address in ("100.64.0.2", "[fd7a:115c:a1e0::2]")
    ]

    assert list(with_known_nodes(bare, entries)) == current


def forgetful(endpoint: SliceEndpoint) -> SliceEndpoint:
    return structs.replace(endpoint, node_id="") if endpoint.name == "api-2" else endpoint


def test_a_held_endpoint_has_its_addresses_and_ports_in_order() -> None:
    addresses = tuple(ip_address(f"100.64.0.{number}") for number in range(1, 9))
    ports = tuple(Port(f"p{number}", 8000 + number) for number in range(8))
    many = Endpoint("api-1", Source.TAG_SELECTOR, "n1", "", addresses, ports)

    (held,) = held_endpoints(slices(many), {"n1"}, [])

    assert (held.addresses, held.ports) == (addresses, ports)
