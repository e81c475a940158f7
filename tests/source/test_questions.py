"""Single devices that a tailnet is asked for."""

import asyncio
import logging
from datetime import timedelta

import pytest

from discovery.plan.policy import TailnetPolicy
from discovery.plan.trust import Cause
from discovery.source import Source
from tests.source.conftest import MINUTE, Tailnet

GONE = ["n00", "n01", "n02"]


async def test_a_device_that_is_gone_denies_itself(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00"}
    await tailnet.poll()
    assert await tailnet.source.ask(["n00"])
    assert tailnet.source.evidence().answers == {"n00": None}
    assert tailnet.source.freshness(tailnet.now).fresh


async def test_a_list_that_lacks_a_device_which_answers_is_not_believed(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    evidence = tailnet.source.evidence()
    assert (evidence.disproved, evidence.counts) == (True, False)
    fresh = tailnet.source.freshness(tailnet.now)
    assert (fresh.fresh, fresh.reason) == (False, "ListIncomplete")
    assert "n00" in fresh.message


async def test_a_list_that_still_lies_is_disproved_by_its_own_poll(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    since = tailnet.source.outage and tailnet.source.outage.since
    await tailnet.poll()
    assert tailnet.asked == ["n00"]
    assert tailnet.source.outage is not None
    assert tailnet.source.outage.doubt.cause is Cause.LIST_INCOMPLETE
    assert tailnet.source.outage.since == since


@pytest.mark.parametrize("how", ["listed again", "gone by now"])
async def test_a_list_that_is_right_again_is_believed(tailnet: Tailnet, how: str) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    tailnet.hidden = set()
    tailnet.there -= {"n00"} if how == "gone by now" else set()
    await tailnet.poll()
    assert tailnet.source.outage is None
    assert not tailnet.source.evidence().disproved


async def test_a_device_that_does_not_answer_any_more_keeps_the_list_in_doubt(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    tailnet.hidden = {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    tailnet.silent = {"n00"}
    await tailnet.poll()
    assert tailnet.source.evidence().disproved


async def test_no_answer_proves_nothing(tailnet: Tailnet, caplog: pytest.LogCaptureFixture) -> None:
    await tailnet.poll()
    tailnet.silent = {"n00"}
    tailnet.there -= {"n00"}
    await tailnet.poll()
    assert not await tailnet.source.ask(["n00"])
    assert tailnet.source.evidence().answers == {}
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [
        "device not asked"
    ]


async def test_twenty_are_asked_after_a_poll_and_the_others_first_after_the_next(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    nodes = sorted(tailnet.there)
    tailnet.there = {"n99"}
    await tailnet.poll()
    await tailnet.source.ask(nodes)
    assert sorted(tailnet.asked) == nodes[:20]
    await tailnet.source.ask(nodes)
    assert len(tailnet.asked) == 20
    await tailnet.poll()
    assert sorted(tailnet.asked) == nodes[20:]


async def test_those_who_do_not_answer_take_nobodys_turn(tailnet: Tailnet) -> None:
    await tailnet.poll()
    nodes = sorted(tailnet.there)
    tailnet.there = {"n99"}
    tailnet.silent = set(nodes[:20])
    await tailnet.poll()
    await tailnet.source.ask(nodes)
    await tailnet.poll()
    assert set(nodes[20:]) <= set(tailnet.asked)
    assert set(nodes[20:]) <= tailnet.source.evidence().answers.keys()


async def test_two_resources_ask_for_one_device_once(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00"}
    await tailnet.poll()
    both = await asyncio.gather(*(tailnet.source.ask(["n00"]) for _ in range(2)))
    assert (both, tailnet.asked) == ([True, True], ["n00"])


async def test_at_most_four_questions_are_under_way(tailnet: Tailnet) -> None:
    await tailnet.poll()
    nodes = sorted(tailnet.there)
    tailnet.there = {"n99"}
    await tailnet.poll()
    tailnet.hang = asyncio.Event()
    asking = asyncio.create_task(tailnet.source.ask(nodes))
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(tailnet.asked) == 4
    tailnet.hang.set()
    await asking
    assert len(tailnet.asked) == 20


async def test_questions_that_hang_end_and_come_again(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00"}
    await tailnet.poll()
    assert tailnet.source.questions is not None
    tailnet.source.questions._limit = timedelta(milliseconds=10)
    tailnet.hang = asyncio.Event()
    assert not await tailnet.source.ask(["n00"])
    tailnet.hang.set()
    await tailnet.poll()
    assert tailnet.asked == ["n00"]


async def test_nobody_is_asked_while_no_list_can_be_had(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.broken = True
    await tailnet.poll()
    assert not await tailnet.source.ask(["n00"])
    assert (tailnet.asked, tailnet.source.evidence().current) == ([], False)


async def test_a_file_can_not_be_asked(tailnet: Tailnet) -> None:
    source = Source(TailnetPolicy("company.ts.net", ("company.ts.net",)), tailnet, MINUTE)
    await source.poll(tailnet.now)
    assert not await source.ask(["n00"])
    source.want(["n00"])
    assert not source.evidence().askable


async def test_an_answer_is_forgotten_when_the_device_is_listed_again(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    tailnet.source.want(["n00"])
    tailnet.there |= {"n00"}
    await tailnet.poll()
    assert tailnet.source.evidence().answers == {}


async def test_an_answer_that_nobody_wants_is_forgotten(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= {"n00"}
    await tailnet.poll()
    await tailnet.source.ask(["n00"])
    tailnet.source.want(["n00"])
    await tailnet.poll()
    assert tailnet.source.evidence().answers == {"n00": None}
    for _ in range(2):
        await tailnet.poll()
    assert tailnet.source.evidence().answers == {}


async def test_a_device_that_was_there_and_then_really_goes_disproves_nothing(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    await tailnet.source.ask(["n00"])  # as for one that was untagged
    tailnet.source.want(["n00"])
    tailnet.there -= {"n00"}
    await tailnet.poll()
    assert tailnet.source.outage is None


async def test_what_each_question_brought_is_told(tailnet: Tailnet) -> None:
    told: list[str] = []
    assert tailnet.source.questions is not None
    tailnet.source.questions.on_answer = told.append
    await tailnet.poll()
    tailnet.there -= {"n00"}
    tailnet.hidden, tailnet.silent = {"n01"}, {"n02"}
    await tailnet.poll()
    await tailnet.source.ask(GONE)
    assert told == ["gone", "present", "unclear"]


async def test_an_entry_of_unreadable_identity_makes_a_list_incomplete(tailnet: Tailnet) -> None:
    tailnet.extra = [{"name": "x.company.ts.net", "nodeId": 5}]
    await tailnet.poll()
    assert not tailnet.source.evidence().complete
