import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.targets import Target, has_target_form, is_not_local, parse_target


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("api.example.com:8080", "api.example.com", 8080),
        ("orders:80", "orders", 80),
        ("front.prod.svc.cluster.local:80", "front.prod.svc.cluster.local", 80),
        ("192.0.2.7:1", "192.0.2.7", 1),
        ("[2001:db8::1]:65535", "2001:db8::1", 65535),
        ("3com.example:443", "3com.example", 443),
    ],
)
def test_a_target_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert parse_target(text) == Target(host, port)
    assert is_not_local(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.example.com",
        "api.example.com:",
        ":80",
        "api.example.com:0",
        "api.example.com:080",
        "api.example.com:65536",
        "api.example.com:http",
        "api_1.example.com:80",
        "-api.example.com:80",
        "api..example.com:80",
        "http://api.example.com:80",
        "api.example.com:80/path",
        "user@api.example.com:80",
        "2001:db8::1:80",
        "[2001:db8::1]",
        "[api]:80",
        "[fe80::1%eth0]:80",
        "[::ffff:127.0.0.1]:80",
        "[192.0.2.7]:80",
        "api.example.com:80\n",
        "127.1:80",
        "2130706433:80",
        "0x7f000001:80",
        "127.0.0.0x1:80",
        "0177.0.0.1:80",
    ],
)
def test_anything_else_is_no_target(text: str) -> None:
    assert not has_target_form(text)
    with pytest.raises(ValueError, match="must be host:port"):
        parse_target(text)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:80",
        "127.255.255.254:80",
        "169.254.169.254:80",
        "0.0.0.0:80",
        "[::1]:80",
        "[fe80::1]:80",
        "[::]:80",
        "localhost:80",
        "LocalHost:80",
        "api.localhost:80",
    ],
)
def test_a_local_address_is_refused(text: str) -> None:
    assert has_target_form(text)
    assert not is_not_local(text)


@given(st.text(max_size=60))
def test_no_text_makes_the_checks_fail(text: str) -> None:
    assert has_target_form(text) or is_not_local(text)
