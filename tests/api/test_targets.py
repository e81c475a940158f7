import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.targets import Target, has_target_form, is_not_local, parse_target
from tests.api.texts import LOCAL_TARGETS, NO_TARGETS, TARGETS


@pytest.mark.parametrize(("text", "host", "port"), TARGETS)
def test_a_target_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert parse_target(text) == Target(host, port)
    assert is_not_local(text)


@pytest.mark.parametrize("text", NO_TARGETS)
def test_anything_else_is_no_target(text: str) -> None:
    assert not has_target_form(text)
    with pytest.raises(ValueError, match="must be host:port"):
        parse_target(text)


@pytest.mark.parametrize("text", LOCAL_TARGETS)
def test_a_local_address_is_refused(text: str) -> None:
    assert has_target_form(text)
    assert not is_not_local(text)


@given(st.text(max_size=60))
def test_no_text_makes_the_checks_fail(text: str) -> None:
    assert has_target_form(text) or is_not_local(text)
