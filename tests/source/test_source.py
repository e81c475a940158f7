import logging
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from discovery.clients.errors import AuthError, TransientError
from discovery.clients.exchange import new_http
from discovery.clients.retrying import Patience
from discovery.clients.tailscale import TailscaleClient
from discovery.plan.policy import TailnetPolicy
from discovery.plan.trust import Cause
from discovery.settings.credentials import ApiKey
from discovery.simulator import Simulator, SimulatorState, read_devices
from discovery.source import Source
from discovery.v1alpha1 import Key, TailscaleEndpoints
from tagselectors import TagGrammar

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",), grammar=TagGrammar(["service-type"]))
API = Key("default", "api")


@pytest.fixture
def state() -> SimulatorState:
    return SimulatorState("company.ts.net", devices=read_devices(FLEET))


@pytest.fixture
async def reader(state: SimulatorState) -> AsyncIterator[TailscaleClient]:
    key = ApiKey(SecretStr(state.credentials.api_key))
    patience = Patience(timedelta(seconds=0.3))
    async with Simulator(state) as simulator, new_http(_no_tls()) as http:
        yield TailscaleClient(http, lambda: key, base_url=simulator.url, patience=patience)


@pytest.fixture
def source(reader: TailscaleClient) -> Source:
    resource = TailscaleEndpoints.model_validate(
        {
            "apiVersion": "gateway.tailscale.com/v1alpha1",
            "kind": "TailscaleEndpoints",
            "metadata": {"name": "api"},
            "spec": {
                "tailnet": "company.ts.net",
                "tagSelectors": [{"key": "service-type", "operator": "In", "values": ["api"]}],
            },
        }
    )
    made = Source(POLICY, reader, MINUTE)
    made.selection.define({API: resource.spec})
    return made


def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # else the system's certificates are loaded


async def test_the_first_list_touches_what_selects_from_it(source: Source) -> None:
    assert await source.poll(NOW) == {API}
    assert source.snapshot is not None
    assert (source.snapshot.fetched_at, len(source.snapshot.devices)) == (NOW, 26)
    assert (source.error, source.outage) == (None, None)
    assert source.freshness(NOW).fresh


async def test_the_same_list_touches_nothing_and_counts_as_read(source: Source) -> None:
    await source.poll(NOW)
    assert await source.poll(NOW + MINUTE) == set()
    assert source.snapshot is not None
    assert source.snapshot.fetched_at == NOW + MINUTE


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("503:60", Cause.UNREACHABLE),
        ("401", Cause.CREDENTIALS_REFUSED),
        ("400", Cause.REQUEST_REJECTED),
        ("body:{}", Cause.MALFORMED_ANSWER),
        ("empty", Cause.EMPTY_LIST),
        ('body:{"devices": [1]}', Cause.UNREADABLE_LIST),
        ("foreign", Cause.TAILNET_MISMATCH),
        ("untagged", Cause.TAGS_MISSING),
    ],
)
async def test_a_list_that_is_not_verified_changes_nothing(
    source: Source, state: SimulatorState, fault: str, cause: Cause
) -> None:
    await source.poll(NOW)
    before, matched = source.snapshot, source.selection.matched(API)
    state.faults.add(fault)
    assert await source.poll(NOW + MINUTE) == set()
    assert (source.snapshot, source.selection.matched(API)) == (before, matched)
    assert source.outage is not None
    assert (source.outage.doubt.cause, source.outage.since) == (cause, NOW + MINUTE)


@pytest.mark.parametrize(("fault", "kind"), [("401", AuthError), ("503:60", TransientError)])
async def test_the_exception_of_the_last_poll_is_kept(
    source: Source, state: SimulatorState, fault: str, kind: type[Exception]
) -> None:
    state.faults.add(f"{fault}@devicesx1")
    await source.poll(NOW)
    assert isinstance(source.error, kind)
    await source.poll(NOW)
    assert source.error is None


async def test_three_failures_make_it_stale_with_a_message_that_stays(
    source: Source, state: SimulatorState, caplog: pytest.LogCaptureFixture
) -> None:
    await source.poll(NOW)
    state.faults.add("503:60")
    told = []
    with caplog.at_level(logging.INFO, "discovery.source"):
        for minute in range(1, 6):
            await source.poll(NOW + minute * MINUTE)
            told.append(source.freshness(NOW + minute * MINUTE))
        state.faults.clear()
        await source.poll(NOW + 6 * MINUTE)
    assert [freshness.fresh for freshness in told] == [True, True, False, False, False]
    assert told[2].message.startswith("Since 2026-11-25T12:01:00Z: service unavailable (GET ")
    assert told[2] == told[3] == told[4]
    assert source.freshness(NOW + 6 * MINUTE).fresh
    assert [record.message for record in caplog.records] == [
        "source not read",
        "source fresh again",
    ]


async def test_another_cause_is_told_with_the_time_of_the_first(
    source: Source, state: SimulatorState
) -> None:
    await source.poll(NOW)
    state.faults.add("503:60@devicesx1", "401")
    await source.poll(NOW + MINUTE)
    await source.poll(NOW + 2 * MINUTE)
    assert source.outage is not None
    assert (source.outage.failures, source.outage.since) == (2, NOW + MINUTE)
    message = source.freshness(NOW + 2 * MINUTE).message
    assert message.startswith("Since 2026-11-25T12:01:00Z: API token invalid")


async def test_a_poll_ends_after_half_the_interval(
    reader: TailscaleClient, state: SimulatorState
) -> None:
    state.faults.add("slow:60")
    source = Source(POLICY, reader, timedelta(seconds=0.2))
    await source.poll(NOW)
    assert str(source.error) == "no device list within 0.1 s (company.ts.net)"


async def test_name_and_domain_are_learned_from_the_first_list(reader: TailscaleClient) -> None:
    source = Source(TailnetPolicy(""), reader, MINUTE)
    await source.poll(NOW)
    assert (source.policy.tailnet, source.policy.domains) == (
        "company.ts.net",
        ("company.ts.net",),
    )
    assert source.snapshot is not None
    assert source.snapshot.tailnet == "company.ts.net"


async def test_a_learned_name_stands_when_the_list_becomes_anothers(
    reader: TailscaleClient, state: SimulatorState
) -> None:
    source = Source(TailnetPolicy(""), reader, MINUTE)
    await source.poll(NOW)
    state.faults.add("foreign")
    await source.poll(NOW)
    assert source.policy.tailnet == "company.ts.net"
    assert source.outage is not None
    assert source.outage.doubt.cause is Cause.TAILNET_MISMATCH


async def test_nodes_known_before_the_process_judge_the_first_list(
    source: Source, state: SimulatorState
) -> None:
    source.tagged = frozenset({"nB01c2dE919f11CNTRL", "nC02c2dE838f11CNTRL"})
    for device in state.devices[:2]:
        device["tags"] = []
    await source.poll(NOW)
    assert source.snapshot is None
    assert source.outage is not None
    assert source.outage.doubt.cause is Cause.TAGS_MISSING


async def test_an_unverified_list_is_kept_for_looking_only(
    source: Source, state: SimulatorState
) -> None:
    state.faults.add("foreign")
    await source.poll(NOW)
    assert source.snapshot is None
    assert source.listed is not None
    assert len(source.listed.devices) == 26


async def test_a_device_that_can_not_be_read_is_told_once(
    source: Source, state: SimulatorState, caplog: pytest.LogCaptureFixture
) -> None:
    state.faults.add("malformed")
    for minute in range(3):
        await source.poll(NOW + minute * MINUTE)
    told = [record for record in caplog.records if record.message == "device unreadable"]
    assert [vars(record)["node"] for record in told] == ["nB01c2dE919f11CNTRL"]


async def test_a_key_that_expires_between_equal_lists_touches(
    source: Source, state: SimulatorState
) -> None:
    state.devices[0] |= {"keyExpiryDisabled": False, "expires": "2026-11-25T12:01:30Z"}
    await source.poll(NOW)
    assert await source.poll(NOW + MINUTE) == set()
    assert await source.poll(NOW + 2 * MINUTE) == {API}


async def test_no_list_yet_is_said(source: Source) -> None:
    assert source.freshness(NOW).message == "No device list of company.ts.net has been read yet."
