import asyncio
import logging
from datetime import timedelta

import pytest

from discovery.plan.policy import RemovalRules, TailnetPolicy
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


@pytest.mark.parametrize(("lost", "too_many"), [(12, False), (13, True)])
async def test_a_loss_of_more_than_half_is_a_loss_of_the_tailnet(
    tailnet: Tailnet, lost: int, *, too_many: bool
) -> None:
    await tailnet.poll()
    gone = set(sorted(tailnet.there)[:lost])
    tailnet.there -= gone
    await tailnet.poll()
    assert tailnet.source.evidence().missing == (gone if too_many else set())


async def test_a_loss_of_few_devices_is_none_of_the_tailnet(tailnet: Tailnet) -> None:
    tailnet.there = {"n00", "n01", "n02", "n03", "n04"}
    await tailnet.poll()
    tailnet.there = {"n04"}
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set()


async def test_both_thresholds_of_a_tailnet_are_configured(tailnet: Tailnet) -> None:
    rules = RemovalRules(tailnet_max_percent=10, tailnet_min_devices=3)
    tailnet.source.policy = TailnetPolicy("company.ts.net", ("company.ts.net",), removal=rules)
    await tailnet.poll()
    tailnet.there -= set(GONE)
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set(GONE)


async def test_the_slices_are_the_baseline_after_a_restart(tailnet: Tailnet) -> None:
    tailnet.source.tagged = frozenset(f"x{number}" for number in range(30))
    await tailnet.poll()
    assert len(tailnet.source.evidence().missing) == 30


async def test_a_loss_is_remembered_as_long_as_a_removal_waits(tailnet: Tailnet) -> None:
    await tailnet.poll()
    tailnet.there -= set(sorted(tailnet.there)[:13])
    await tailnet.poll()
    for _ in range(6):
        tailnet.source.want(["n00"])
        await tailnet.poll()
        assert len(tailnet.source.evidence().missing) == 13
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set()


async def test_a_loss_that_was_denied_device_by_device_ends(tailnet: Tailnet) -> None:
    await tailnet.poll()
    lost = sorted(tailnet.there)[:13]
    tailnet.there -= set(lost)
    await tailnet.poll()
    await tailnet.source.ask(lost)
    for _ in range(3):
        tailnet.source.want(lost)
        await tailnet.poll()
    assert tailnet.source.evidence().missing == set()


async def test_losses_that_come_one_after_the_other_add_up_while_they_wait(
    tailnet: Tailnet,
) -> None:
    await tailnet.poll()
    everybody = sorted(tailnet.there)
    for first in (0, 7):
        tailnet.there -= set(everybody[first : first + 7])
        await tailnet.poll()
        tailnet.source.want(everybody[:1])
    assert len(tailnet.source.evidence().missing) == 14


async def test_losses_of_long_ago_are_forgotten(tailnet: Tailnet) -> None:
    await tailnet.poll()
    everybody = sorted(tailnet.there)
    tailnet.there -= set(everybody[:7])
    for _ in range(5):
        await tailnet.poll()
        tailnet.source.want(everybody[:1])
    tailnet.there -= set(everybody[7:14])
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set()


async def test_an_entry_that_can_not_be_read_is_not_missing(tailnet: Tailnet) -> None:
    await tailnet.poll()
    gone = sorted(tailnet.there)[:13]
    tailnet.there -= set(gone)
    tailnet.extra = [{"nodeId": node, "addresses": "broken"} for node in gone]
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set()
