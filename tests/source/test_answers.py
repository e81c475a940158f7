"""What single answers are worth, and for how long they are kept."""

import asyncio
import logging
from datetime import timedelta

import pytest

from discovery.source import Source
from tests.source.conftest import MINUTE, Tailnet


def lines(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, object]]:
    return [vars(record) for record in caplog.records if record.message == message]


async def test_a_listed_device_that_answers_disproves_nothing(tailnet: Tailnet) -> None:
    await tailnet.poll()
    assert await tailnet.source.ask(["n00"])
    assert tailnet.source.outage is None


async def test_a_listed_device_that_answered_is_not_asked_again_while_it_is_wanted(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    await tailnet.poll()
    assert (tailnet.asked, list(tailnet.source.evidence().answers)) == ([], ["n00"])


async def test_an_answer_that_could_not_be_had_again_is_forgotten(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    tailnet.silent = {"n00"}
    await tailnet.poll()
    assert tailnet.source.evidence().answers == {}


async def test_an_answer_that_is_still_wanted_stays(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    for _ in range(3):
        tailnet.source.want(["n00"])
        await tailnet.poll()
    assert tailnet.source.evidence().answers == {"n00": None}


async def test_answers_about_a_loss_of_the_tailnet_stay_although_no_removal_needs_them(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    lost = sorted(tailnet.there)[:13]
    tailnet.there -= set(lost)
    await tailnet.poll()
    await tailnet.source.ask(lost)
    for _ in range(2):
        tailnet.source.want(lost[:1])
        await tailnet.poll()
    assert sorted(tailnet.source.evidence().answers) == lost


async def test_one_answer_of_several_is_an_answer(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00", "n01"}
    tailnet.silent = {"n01"}
    await tailnet.poll()
    assert await tailnet.source.ask(["n00", "n01"])


async def test_who_gave_no_answer_and_is_wanted_no_more_is_not_asked_again(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00"}
    tailnet.silent = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    await tailnet.poll()
    assert tailnet.asked == ["n00"]
    await tailnet.poll()
    assert tailnet.asked == []


async def test_a_device_that_is_listed_again_is_not_asked(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    tailnet.hidden = set()
    await tailnet.poll()
    assert tailnet.asked == []


async def test_devices_that_disproved_a_list_are_asked_and_named_in_order(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    tailnet.hidden = {f"n{number:02}" for number in range(12)}
    await tailnet.poll()
    await tailnet.source.ask(sorted(tailnet.hidden, reverse=True))
    await tailnet.poll()
    assert tailnet.asked == sorted(tailnet.hidden)
    assert tailnet.source.outage is not None
    assert "n00 for one" in tailnet.source.outage.doubt.message


async def test_a_disproved_list_is_one_failure_however_often_it_is_judged(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    for _ in range(3):
        await tailnet.source.ask(["n00"])
    assert tailnet.source.outage is not None
    assert tailnet.source.outage.failures == 1


async def test_others_are_asked_while_a_list_is_disproved(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    tailnet.there -= {"n01"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    assert await tailnet.source.ask(["n01"])


async def test_a_list_is_current_although_it_is_disproved(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    assert tailnet.source.evidence().current


async def test_a_question_without_an_answer_is_one_line_with_the_device(
    tailnet: Tailnet, caplog: pytest.LogCaptureFixture
) -> None:
    tailnet.silent = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    (line,) = lines(caplog, "device not asked")
    assert (line["node"], line["problem"]) == ("n00", "no answer (GET /device/n00)")


async def test_questions_that_hang_are_one_line_with_the_devices(
    tailnet: Tailnet, caplog: pytest.LogCaptureFixture
) -> None:
    await tailnet.poll()
    assert tailnet.source.questions is not None
    tailnet.source.questions._limit = timedelta(milliseconds=10)
    tailnet.hang = asyncio.Event()
    await tailnet.source.ask(["n00", "n01"])
    (line,) = lines(caplog, "devices not asked in time")
    assert line["nodes"] == "n00, n01"


async def test_good_polls_say_nothing(tailnet: Tailnet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        await tailnet.poll()
    await tailnet.source.ask(["n00"])
    assert [record.message for record in caplog.records] == []


async def test_the_end_of_an_outage_is_one_line_with_the_tailnet(
    tailnet: Tailnet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tailnet.broken = True
    await tailnet.poll()
    tailnet.broken = False
    for _ in range(2):
        await tailnet.poll()
    (line,) = lines(caplog, "source fresh again")
    assert line["tailnet"] == "company.ts.net"


async def test_an_entry_that_becomes_unreadable_is_one_line(
    tailnet: Tailnet, caplog: pytest.LogCaptureFixture
) -> None:
    await tailnet.poll()
    tailnet.extra = [{"nodeId": "x1", "addresses": "broken"}]
    for _ in range(2):
        await tailnet.poll()
    assert [line["node"] for line in lines(caplog, "device unreadable")] == ["x1"]


async def test_the_evidence_has_the_interval_of_the_tailnet(tailnet: Tailnet) -> None:
    source = Source(tailnet.source.policy, tailnet, 5 * MINUTE, tailnet.device)
    assert source.evidence().interval == 5 * MINUTE


async def test_the_listing_says_who_is_excluded_and_whose_each_address_is(
    tailnet: Tailnet,
) -> None:
    bare = {"nodeId": "x1", "name": "x1.company.ts.net", "addresses": ["100.64.9.9"]}
    tailnet.extra = [bare | {"authorized": True}]
    await tailnet.poll()
    listing = tailnet.source.listing
    assert dict(listing.excluded) == {"x1": "untagged"}
    assert listing.by_address["100.64.9.9"].node_id == "x1"
    assert set(listing.devices) == tailnet.there | {"x1"}


async def test_a_device_that_is_listed_under_its_other_identity_disproves_nothing(
    tailnet: Tailnet,
) -> None:
    tailnet.aliases = {"7001": "n01"}
    tailnet.source.tagged = frozenset({"7001"})  # as a list without nodeIds showed it
    await tailnet.poll()
    assert await tailnet.source.ask(["7001"])
    assert tailnet.source.evidence().answers == {"7001": None}
    assert tailnet.source.outage is None


async def test_a_device_that_is_listed_under_no_identity_disproves_the_list(
    tailnet: Tailnet,
) -> None:
    tailnet.aliases, tailnet.hidden = {"7001": "n01"}, {"n01"}
    await tailnet.poll()
    await tailnet.source.ask(["7001"])
    assert tailnet.source.evidence().disproved
