from typing import Any

import pytest

from discovery.plan.port_table import PortConflictError, port_table
from discovery.plan.ports import Port, Transport
from tagselectors import TagGrammar

GRAMMAR = TagGrammar()
HTTP = Port("http", 8080, Transport.TCP, "http")


def declared(*ports: dict[str, Any]) -> dict[str, Any]:
    return {"ports": list(ports)}


def test_without_a_declared_port_devices_get_80_http(make: Any) -> None:
    ports = port_table(make.resource().spec, GRAMMAR).of_device(("tag:env-production",))

    assert ports.ports == (Port("http", 80, Transport.TCP, "http"),)
    assert ports.by_default


@pytest.mark.parametrize(
    ("tag", "by_default"), [("tag:port-9090", False), ("tag:protocol-grpc", True)]
)
def test_only_a_port_tag_names_the_port(make: Any, tag: str, *, by_default: bool) -> None:
    assert port_table(make.resource().spec, GRAMMAR).of_device((tag,)).by_default is by_default


def test_a_static_endpoint_takes_the_name_declared_for_its_number(make: Any) -> None:
    spec = make.resource(
        endpoints=[make.static("a", "100.64.0.1", 8080), make.static("b", "100.64.0.2", 5432)],
        discovery=declared({"name": "web", "port": 8080, "protocol": "HTTP"}),
    ).spec
    table = port_table(spec, GRAMMAR)

    assert [table.of_static(e).name for e in spec.endpoints] == ["web", "tcp-5432"]


def test_a_static_udp_port_is_named_after_its_transport(make: Any) -> None:
    spec = make.resource(endpoints=[make.static("a", "100.64.0.1", 53, protocol="UDP")]).spec

    assert port_table(spec, GRAMMAR).service == (Port("udp-53", 53, Transport.UDP),)


@pytest.mark.parametrize(
    ("protocol", "app_protocol"),
    [("HTTP", "http"), ("HTTPS", "https"), ("gRPC", "kubernetes.io/h2c"), ("TLS", ""), ("TCP", "")],
)
def test_each_protocol_has_its_app_protocol(make: Any, protocol: str, app_protocol: str) -> None:
    spec = make.resource(endpoints=[make.static("a", "100.64.0.1", 443, protocol=protocol)]).spec

    assert port_table(spec, GRAMMAR).service[0].app_protocol == app_protocol


def test_where_app_protocols_of_a_name_differ_the_service_has_none(make: Any) -> None:
    spec = make.resource(
        endpoints=[
            make.static("a", "100.64.0.1", 443, protocol="HTTPS"),
            make.static("b", "100.64.0.2", 443, protocol="TLS"),
            make.static("c", "100.64.0.3", 443, protocol="HTTPS"),
        ]
    ).spec

    assert port_table(spec, GRAMMAR).service == (Port("tcp-443", 443, Transport.TCP, ""),)


def test_a_resource_that_discovers_nothing_has_no_default_port(make: Any) -> None:
    table = port_table(make.resource(endpoints=[make.static("a", "100.64.0.1", 80)]).spec, GRAMMAR)

    assert [port.name for port in table.service] == ["tcp-80"]
    assert table.of_device(("tag:env-production",)).ports == ()


def test_two_names_on_one_number_are_a_conflict(make: Any) -> None:
    spec = make.resource(
        discovery=declared(
            {"name": "a", "port": 80, "protocol": "HTTP"},
            {"name": "b", "port": 80, "protocol": "TCP"},
        )
    ).spec

    with pytest.raises(PortConflictError, match="'a' and 'b' are both 80/TCP"):
        port_table(spec, GRAMMAR)


def test_one_name_for_two_numbers_is_a_conflict(make: Any) -> None:
    spec = make.resource(
        endpoints=[make.static("a", "100.64.0.1", 9090)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        discovery=declared({"name": "tcp-9090", "port": 80, "protocol": "TCP"}),
    ).spec

    with pytest.raises(PortConflictError, match="'tcp-9090' would stand for 80/TCP and 9090/TCP"):
        port_table(spec, GRAMMAR)


def test_declared_ports_of_a_resource_that_discovers_nothing_are_only_names(make: Any) -> None:
    spec = make.resource(
        endpoints=[make.static("a", "100.64.0.1", 80)],
        discovery=declared({"name": "web", "port": 8080, "protocol": "HTTP"}),
    ).spec

    assert [port.name for port in port_table(spec, GRAMMAR).service] == ["tcp-80"]


@pytest.mark.parametrize(
    ("tags", "port", "ignored"),
    [
        (("tag:port-9090",), Port("http", 9090, Transport.TCP, "http"), ""),
        (("tag:port-1",), Port("http", 1, Transport.TCP, "http"), ""),
        (("tag:port-65535",), Port("http", 65535, Transport.TCP, "http"), ""),
        (("tag:protocol-grpc",), Port("http", 8080, Transport.TCP, "kubernetes.io/h2c"), ""),
        (("tag:port-1", "tag:port-2"), HTTP, "the device has 2 of them"),
        (("tag:port-0",), HTTP, "not a port from 1 to 65535"),
        (("tag:port-99999",), HTTP, "not a port from 1 to 65535"),
        (("tag:port-web",), HTTP, "not a port from 1 to 65535"),
        (("tag:port-\u00b2",), HTTP, "not a port from 1 to 65535"),
        (("tag:port-\u0663",), HTTP, "not a port from 1 to 65535"),
        (("tag:port-" + "9" * 9000,), HTTP, "not a port from 1 to 65535"),
        (("tag:protocol-tcp", "tag:protocol-tls"), HTTP, "the device has 2 of them"),
        (("tag:protocol-smtp",), HTTP, "since it is none of grpc, http, https, tcp, tls, udp"),
        (("tag:protocol-udp",), HTTP, "a Service port has one transport"),
    ],
)
def test_a_devices_own_tags_count_where_they_can_mean_one_thing(
    make: Any, tags: tuple[str, ...], port: Port, ignored: str
) -> None:
    spec = make.resource(
        discovery=declared({"name": "http", "port": 8080, "protocol": "HTTP"})
    ).spec
    found = port_table(spec, GRAMMAR).of_device(tags)

    assert found.ports == (port,)
    assert ignored in "".join(found.ignored)
    assert bool(found.ignored) is bool(ignored)
    assert not found.by_default


def test_with_two_declared_ports_such_tags_are_ignored_and_named(make: Any) -> None:
    spec = make.resource(
        discovery=declared(
            {"name": "a", "port": 80, "protocol": "HTTP"},
            {"name": "b", "port": 81, "protocol": "HTTP"},
        )
    ).spec
    found = port_table(spec, GRAMMAR).of_device(("tag:port-9", "tag:protocol-grpc"))

    assert [port.number for port in found.ports] == [80, 81]
    assert not found.by_default
    assert found.ignored == (
        "tag:port-* ignored, since discovery.ports declares 2 ports",
        "tag:protocol-* ignored, since discovery.ports declares 2 ports",
    )


def test_the_service_keeps_the_declared_number_whatever_a_tag_says(make: Any) -> None:
    spec = make.resource(
        discovery=declared({"name": "http", "port": 8080, "protocol": "HTTP"})
    ).spec

    assert port_table(spec, GRAMMAR).service == (HTTP,)


def test_a_port_with_an_enabled_check_is_checked(make: Any) -> None:
    check = {"enabled": True, "path": "/health"}
    spec = make.resource(
        discovery=declared({"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": check}),
        endpoints=[make.static("a", "100.64.0.1", 1, healthCheck={"enabled": True, "type": "TCP"})],
    ).spec
    table = port_table(spec, GRAMMAR)

    assert table.of_device(()).ports[0].checked
    assert table.of_static(spec.endpoints[0]).checked
    assert not any(port.checked for port in table.service)


def test_a_check_that_is_not_enabled_checks_nothing(make: Any) -> None:
    check = {"enabled": False}
    spec = make.resource(
        discovery=declared({"name": "http", "port": 80, "protocol": "HTTP", "healthCheck": check}),
        endpoints=[make.static("a", "100.64.0.1", 1, healthCheck=check)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    ).spec
    table = port_table(spec, GRAMMAR)

    assert not table.of_device(()).ports[0].checked
    assert not table.of_static(spec.endpoints[0]).checked


def test_a_static_endpoint_on_80_takes_the_name_of_the_default_port(make: Any) -> None:
    spec = make.resource(
        endpoints=[make.static("a", "100.64.0.1", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    ).spec

    assert port_table(spec, GRAMMAR).service == (Port("http", 80, Transport.TCP, "http"),)


def test_a_static_endpoint_of_another_transport_does_not_take_the_name(make: Any) -> None:
    spec = make.resource(
        endpoints=[make.static("a", "100.64.0.1", 53, protocol="UDP")],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        discovery=declared({"name": "dns", "port": 53, "protocol": "TCP"}),
    ).spec

    assert port_table(spec, GRAMMAR).service == (
        Port("dns", 53, Transport.TCP),
        Port("udp-53", 53, Transport.UDP),
    )


def test_with_two_declared_ports_only_tags_that_are_there_are_named(make: Any) -> None:
    ports = [{"name": n, "port": p, "protocol": "TCP"} for n, p in (("a", 80), ("b", 81))]
    found = port_table(make.resource(discovery=declared(*ports)).spec, GRAMMAR)

    assert [s.split()[0] for s in found.of_device(("tag:port-9",)).ignored] == ["tag:port-*"]
    assert found.of_device(("tag:env-production",)).ignored == ()


def test_declared_keys_decide_what_a_port_tag_is(make: Any) -> None:
    grammar = TagGrammar(["port-group"])

    assert port_table(make.resource().spec, grammar).of_device(("tag:port-group-9",)).by_default
    assert port_table(make.resource().spec, grammar).of_device(("tag:port-group-9",)).ignored == ()


def test_a_port_tag_and_a_protocol_tag_count_together(make: Any) -> None:
    found = port_table(make.resource().spec, GRAMMAR).of_device(
        ("tag:port-9090", "tag:protocol-gRPC")
    )

    assert found.ports == (Port("http", 9090, Transport.TCP, "kubernetes.io/h2c"),)


def test_the_order_in_a_spec_is_irrelevant(make: Any) -> None:
    ports = [{"name": n, "port": p, "protocol": "TCP"} for n, p in (("b", 80), ("a", 81))]
    static = [make.static("x", "100.64.0.1", 90), make.static("y", "100.64.0.1", 70)]
    tables = [
        port_table(
            make.resource(
                endpoints=endpoints,
                tagSelectors=[{"key": "env", "operator": "Exists"}],
                discovery={"ports": order},
            ).spec,
            GRAMMAR,
        )
        for order, endpoints in ((ports, static), (ports[::-1], static[::-1]))
    ]

    assert tables[0] == tables[1]
    assert [port.name for port in tables[0].declared] == ["a", "b"]
    assert [port.name for port in tables[0].service] == ["a", "b", "tcp-70", "tcp-90"]
