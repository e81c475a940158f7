"""How much of a tailnet may be missing before each device must deny itself."""

import pytest

from discovery.plan.policy import RemovalRules, TailnetPolicy
from tests.source.conftest import Tailnet

GONE = ["n00", "n01", "n02"]


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
    for _ in range(2):
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


async def test_exactly_half_is_not_more_than_half(tailnet: Tailnet) -> None:
    tailnet.source.tagged = frozenset()
    tailnet.there -= {"n24"}
    await tailnet.poll()
    tailnet.there -= set(sorted(tailnet.there)[:12])
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set()


async def test_one_more_than_half_of_a_hundred_is(tailnet: Tailnet) -> None:
    tailnet.there = {f"n{number:02}" for number in range(50)}
    tailnet.source.tagged = frozenset({f"x{number}" for number in range(51)} | tailnet.there)
    await tailnet.poll()
    assert len(tailnet.source.evidence().missing) == 51


async def test_who_came_back_is_not_missing(tailnet: Tailnet) -> None:
    await tailnet.poll()
    everybody = sorted(tailnet.there)
    tailnet.there -= set(everybody[:20])
    await tailnet.poll()
    tailnet.source.want(everybody[:1])
    tailnet.there |= set(everybody[:5])
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set(everybody[5:20])


async def test_devices_without_tags_are_no_loss(tailnet: Tailnet) -> None:
    tailnet.extra = [
        {
            "nodeId": f"x{number}",
            "name": f"x{number}.company.ts.net",
            "addresses": [f"100.64.1.{number}"],
            "authorized": True,
        }
        for number in range(30)
    ]
    await tailnet.poll()
    tailnet.extra = []
    await tailnet.poll()
    assert tailnet.source.evidence().missing == set()
