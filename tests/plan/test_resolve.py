from ipaddress import IPv4Network, ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.gate import Exclusion
from discovery.plan.policy import GrantRule, TailnetPolicy
from discovery.plan.resolve import Candidates, resolve
from discovery.tailnet import Device

POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",))


def names(endpoints: tuple[Endpoint, ...]) -> list[str]:
    return [endpoint.name for endpoint in endpoints]


def test_static_and_discovered_endpoints_stand_side_by_side_by_name(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("zeta", "100.64.0.99", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    found = resolve(resource, Candidates((make.device(2), make.device(1))), POLICY)

    assert names(found.endpoints) == ["api-1", "api-2", "zeta"]
    assert [e.source for e in found.endpoints] == [
        Source.TAG_SELECTOR,
        Source.TAG_SELECTOR,
        Source.STATIC,
    ]
    assert found.uses_default_port


def test_only_the_families_that_are_asked_for_become_addresses(make: Any) -> None:
    devices = (make.device(1), make.device(2, addresses=("100.64.0.2",)))
    both = make.resource(discovery={"addressFamilies": ["IPv4", "IPv6"]})
    only6 = make.resource(discovery={"addressFamilies": ["IPv6"]})

    assert resolve(both, Candidates(devices), POLICY).endpoints[0].addresses == (
        ip_address("100.64.0.1"),
        ip_address("fd7a:115c:a1e0::1"),
    )
    found = resolve(only6, Candidates(devices), POLICY)
    assert names(found.endpoints) == ["api-1"]
    assert [(r.node_id, r.exclusion) for r in found.refused] == [("n2", Exclusion.ADDRESS_FAMILY)]


def test_at_the_same_address_and_port_static_wins(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("pinned", "100.64.0.1", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    found = resolve(resource, Candidates((make.device(1), make.device(2))), POLICY)

    assert names(found.endpoints) == ["api-2", "pinned"]
    assert found.refused[0].exclusion is Exclusion.SAME_ADDRESS
    assert found.refused[0].detail == "80 is pinned's"


def test_of_two_static_entries_at_one_place_the_first_name_stays(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("b", "100.64.0.1", 80), make.static("a", "100.64.0.1", 80)]
    )
    found = resolve(resource, Candidates(), POLICY)

    assert names(found.endpoints) == ["a"]
    assert [(r.name, r.detail) for r in found.refused] == [("b", "a")]


def test_a_discovered_device_never_takes_a_static_name(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("api-1", "100.64.0.99", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    found = resolve(resource, Candidates((make.device(1),)), POLICY)

    assert found.endpoints[0].source is Source.STATIC
    assert found.endpoints[1].name.startswith("api-1-")
    assert len(found.collisions) == 1


def test_a_denied_static_address_is_refused(make: Any) -> None:
    policy = TailnetPolicy("company.ts.net", denied=(IPv4Network("100.64.0.0/24"),))
    resource = make.resource(endpoints=[make.static("a", "100.64.0.1", 80)])
    found = resolve(resource, Candidates(), policy)

    assert found.endpoints == ()
    assert found.refused[0].exclusion is Exclusion.DENIED_ADDRESS


def test_an_address_outside_the_ranges_is_refused_even_past_the_validation(make: Any) -> None:
    resource = make.resource(endpoints=[make.static("a", "100.64.0.1", 80)])
    (entry,) = resource.spec.endpoints
    strange = entry.model_copy(update={"tailscale_ip": "10.0.0.1"})
    spec = resource.spec.model_copy(update={"endpoints": (strange,)})
    found = resolve(resource.model_copy(update={"spec": spec}), Candidates(), POLICY)

    assert found.endpoints == ()
    assert found.refused[0].exclusion is Exclusion.NO_ADDRESS


def test_grants_hold_for_static_addresses_and_devices_alike(make: Any) -> None:
    policy = TailnetPolicy("company.ts.net", grants=(GrantRule(("default",), ("tag:env-*",)),))
    owned, other = make.device(1), make.device(2, "tag:team-x")
    resource = make.resource(
        endpoints=[
            make.static("mine", "100.64.0.1", 81),
            make.static("theirs", "100.64.0.2", 81),
            make.static("unknown", "100.64.0.3", 81),
        ],
        tagSelectors=[{"key": "x", "operator": "DoesNotExist"}],
    )
    by_address = {a: d for d in (owned, other) for a in d.addresses}
    found = resolve(resource, Candidates((owned, other), by_address), policy)

    assert names(found.endpoints) == ["api-1", "mine"]
    assert [(r.name, r.node_id) for r in found.refused] == [
        ("api-2.company.ts.net", "n2"),
        ("theirs", "n2"),
        ("unknown", ""),
    ]
    assert {r.exclusion for r in found.refused} == {Exclusion.NOT_GRANTED}


def test_a_declared_port_is_no_default(make: Any) -> None:
    resource = make.resource(
        discovery={"ports": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
    )

    assert not resolve(resource, Candidates((make.device(1),)), POLICY).uses_default_port


def test_one_device_without_a_port_tag_is_enough_for_the_default(make: Any) -> None:
    tagged = make.device(2, "tag:env-production", "tag:port-9090")

    assert resolve(make.resource(), Candidates((make.device(1), tagged)), POLICY).uses_default_port


def test_an_ignored_port_tag_is_told_with_the_endpoints_name(make: Any) -> None:
    device = make.device(1, "tag:env-production", "tag:port-x")
    found = resolve(make.resource(), Candidates((device,)), POLICY)

    assert found.ignored_tags == (
        "api-1: tag:port-x ignored, since it is not a port from 1 to 65535",
    )


def test_static_takes_a_port_and_leaves_the_device_the_others(make: Any) -> None:
    ports = [{"name": n, "port": p, "protocol": "HTTP"} for n, p in (("web", 80), ("ops", 81))]
    resource = make.resource(
        endpoints=[make.static("pinned", "100.64.0.1", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        discovery={"ports": ports},
    )
    found = resolve(resource, Candidates((make.device(1),)), POLICY)

    assert [(e.name, [p.name for p in e.ports]) for e in found.endpoints] == [
        ("api-1", ["ops"]),
        ("pinned", ["web"]),
    ]


def test_two_static_entries_share_an_address_on_different_ports_or_transports(make: Any) -> None:
    resource = make.resource(
        endpoints=[
            make.static("a", "100.64.0.1", 53, protocol="TCP"),
            make.static("b", "100.64.0.1", 53, protocol="UDP"),
            make.static("c", "100.64.0.1", 54, protocol="TCP"),
        ]
    )

    assert names(resolve(resource, Candidates(), POLICY).endpoints) == ["a", "b", "c"]


def test_a_static_endpoint_knows_the_device_that_has_its_address(make: Any) -> None:
    owner = make.device(1, connected_to_control=True)
    resource = make.resource(endpoints=[make.static("a", "100.64.0.1", 80)])
    (known,) = resolve(resource, Candidates(by_address={"100.64.0.1": owner}), POLICY).endpoints
    (unknown,) = resolve(resource, Candidates(), POLICY).endpoints

    assert (known.node_id, known.tags, known.connected) == ("n1", ("tag:env-production",), True)
    assert (unknown.node_id, unknown.tags, unknown.connected) == ("", (), None)


def test_of_two_addresses_of_a_family_the_lowest_counts(make: Any) -> None:
    device = make.device(1, addresses=("100.64.0.20", "100.64.0.3"))

    assert resolve(make.resource(), Candidates((device,)), POLICY).endpoints[0].addresses == (
        ip_address("100.64.0.3"),
    )


def test_a_denied_address_of_a_device_is_not_used(make: Any) -> None:
    policy = TailnetPolicy("company.ts.net", denied=(IPv4Network("100.64.0.0/24"),))
    resource = make.resource(discovery={"addressFamilies": ["IPv4", "IPv6"]})
    (found,) = resolve(resource, Candidates((make.device(1),)), policy).endpoints

    assert found.addresses == (ip_address("fd7a:115c:a1e0::1"),)


def labelled(number: int, label: str, *tags: str, address: str = "") -> Device:
    return Device(
        node_id=f"n{number}",
        name=f"{label}.company.ts.net",
        addresses=(address or f"100.64.1.{number}",),
        tags=tags,
    )


devices = st.lists(
    st.builds(
        labelled,
        st.integers(1, 40),
        st.sampled_from(["api", "db", "API", ""]),
        st.sampled_from(["tag:env-production", "tag:other"]),
        st.sampled_from(["tag:port-81", "tag:port-x", "tag:protocol-y", "tag:a"]),
        address=st.sampled_from(["", "", "100.64.0.99", "fd7a:115c:a1e0::1"]),
    ),
    unique_by=lambda device: device.node_id,
)


@given(found=devices, random=st.randoms(use_true_random=False))
def test_the_order_of_devices_is_irrelevant(make: Any, found: list[Device], random: Any) -> None:
    policy = TailnetPolicy("company.ts.net", grants=(GrantRule(tags=("tag:env-*",)),))
    resource = make.resource(
        endpoints=[make.static("db", "100.64.0.99", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    owned = labelled(50, "db", "tag:env-production", address="100.64.0.99")
    by_address = {"100.64.0.99": owned}
    shuffled = list(found)
    random.shuffle(shuffled)

    assert resolve(resource, Candidates(found, by_address), policy) == resolve(
        resource, Candidates(shuffled, by_address), policy
    )
