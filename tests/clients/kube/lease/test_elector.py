"""One elector in virtual time: what it writes, when it leads, and when it no longer does."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from discovery.clients.errors import AuthError, TransientError
from discovery.clients.kube.lease import Elector, LeadershipLostError, Timing

if TYPE_CHECKING:
    from tests.clients.kube.lease.conftest import World


def time() -> float:
    return asyncio.get_running_loop().time()


async def lost(elector: Elector) -> str:
    with pytest.raises(LeadershipLostError) as caught:
        await elector.hold()
    return str(caught.value)


def test_a_lease_that_nobody_made_is_made(world: World) -> None:
    elector = world.elector("me")

    async def story() -> None:
        assert not elector.valid()
        assert await elector.acquire()
        assert elector.valid()

    world.run(story())
    assert world.store.spec == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:01:40.000000Z",
        "renewTime": "2026-01-01T00:01:40.000000Z",
        "leaseTransitions": 0,
    }
    assert (elector.holder, elector.takeover, elector.acquired_at) == ("me", False, 100.0)


def test_a_leader_renews_every_two_seconds(world: World) -> None:
    elector = world.elector("me")

    async def story() -> None:
        await elector.acquire()
        holding = asyncio.create_task(elector.hold())
        await asyncio.sleep(60.5)
        assert elector.valid()
        holding.cancel()

    world.run(story())
    assert world.store.versions == 31
    assert world.store.spec["renewTime"] == "2026-01-01T00:02:40.000000Z"
    assert world.store.spec["acquireTime"] == "2026-01-01T00:01:40.000000Z"


@pytest.mark.parametrize("ahead", [timedelta(days=-400), timedelta(0), timedelta(days=400)])
def test_a_silent_holder_is_waited_for_whatever_its_clock_said(
    world: World, ahead: timedelta
) -> None:
    other = world.elector("other", clock=world.clock(ahead=ahead))
    me = world.elector("me")

    async def story() -> None:
        await other.acquire()
        await asyncio.sleep(7)
        begun = time()
        await me.acquire()
        assert time() - begun == 15.0

    world.run(story())
    assert (me.takeover, world.store.spec["leaseTransitions"]) == (True, 1)


def test_a_holder_that_renews_is_never_taken_over(world: World) -> None:
    other, me = world.elector("other"), world.elector("me")

    async def story() -> None:
        await other.acquire()
        holding = asyncio.create_task(other.hold())
        assert not await me.acquire(within=300)
        holding.cancel()

    world.run(story())
    assert me.holder == "other"


def test_a_released_lease_is_taken_at_the_next_look(world: World) -> None:
    other, me = world.elector("other"), world.elector("me")

    async def story() -> None:
        await other.acquire()
        waiting = asyncio.create_task(me.acquire())
        await asyncio.sleep(5)
        await other.release()
        assert not other.valid()
        released = time()
        await waiting
        assert time() - released <= 2.0

    world.run(story())
    assert (me.takeover, world.store.spec["leaseTransitions"]) == (False, 1)


def test_leadership_ends_ten_seconds_after_the_last_renewal(world: World) -> None:
    wire = world.wire()
    elector = world.elector("me", wire=wire)

    async def story() -> None:
        await elector.acquire()
        wire.broken = TransientError("connection refused", where="GET /x")
        holding = asyncio.create_task(lost(elector))
        await asyncio.sleep(9.9)
        assert elector.valid()
        text = await holding
        assert (time(), elector.valid()) == (10.0, False)
        assert text == (
            "leadership lost: not renewed within 10 s: connection refused (GET /x) "
            "(lease system/leader)"
        )

    world.run(story())


def test_the_last_pause_ends_with_leadership(world: World) -> None:
    wire = world.wire()
    elector = world.elector("me", wire=wire, timing=Timing(15.0, 10.0, 3.0))

    async def story() -> None:
        await elector.acquire()
        wire.broken = TransientError("connection refused", where="GET /x")
        await lost(elector)
        assert time() == 10.0

    world.run(story())


def test_the_last_request_ends_with_leadership(world: World) -> None:
    fine, hanging = ("answered", 0.0, 0.0), ("answered", 1000.0, 0.0)
    elector = world.elector("me", wire=world.wire(fine, fine, hanging, hanging))

    async def story() -> None:
        await elector.acquire()
        await lost(elector)
        assert time() == 10.0

    world.run(story())


def test_one_renewal_in_time_is_enough(world: World) -> None:
    failing = ("dropped", 0.0, 0.0)
    fine = ("answered", 0.0, 0.0)
    elector = world.elector("me", wire=world.wire(fine, fine, *[failing] * 3))

    async def story() -> None:
        await elector.acquire()
        holding = asyncio.create_task(elector.hold())
        await asyncio.sleep(17.9)
        assert elector.valid()
        holding.cancel()

    world.run(story())


def test_a_renewal_counts_from_before_it_was_sent(world: World) -> None:
    elector = world.elector("me", wire=world.wire(("answered", 0, 0), ("answered", 1.0, 3.0)))

    async def story() -> None:
        await elector.acquire()
        assert time() == 4.0
        await asyncio.sleep(5.9)
        assert elector.valid()
        await asyncio.sleep(0.1)
        assert not elector.valid()

    world.run(story())


def test_an_answer_that_comes_too_late_is_no_leadership(world: World) -> None:
    """A machine that stood still between request and answer, for longer than it may lead."""
    wire = world.wire(("answered", 0, 0), ("answered", 0, 4.0))
    clock = world.clock(rate=3.0)
    elector = world.elector("me", wire=wire, clock=clock)

    async def story() -> None:
        await elector.acquire()
        assert elector.valid()

    world.run(story())
    assert wire.asked == ["GET", "POST", "GET", "PUT"]


def test_a_request_that_hangs_leaves_time_for_another(world: World) -> None:
    fine = ("answered", 0.0, 0.0)
    wire = world.wire(fine, fine, ("answered", 1000.0, 0.0))
    elector = world.elector("me", wire=wire)

    async def story() -> None:
        await elector.acquire()
        holding = asyncio.create_task(elector.hold())
        await asyncio.sleep(15)
        assert elector.valid()
        holding.cancel()

    world.run(story())


def test_leadership_ends_at_once_where_another_holds_the_lease(world: World) -> None:
    elector = world.elector("me")

    async def story() -> None:
        await elector.acquire()
        world.store.put(holderIdentity="thief", leaseDurationSeconds=15)
        assert "thief holds the lease" in await lost(elector)
        assert (time(), elector.valid()) == (2.0, False)

    world.run(story())


def test_a_lost_answer_to_a_takeover_is_still_a_takeover(world: World) -> None:
    world.store.put(holderIdentity="other", leaseDurationSeconds=1)
    fine = ("answered", 0.0, 0.0)
    elector = world.elector("me", wire=world.wire(fine, fine, ("lost", 0.0, 0.0)))
    world.run(elector.acquire())
    assert (elector.takeover, world.store.spec["leaseTransitions"]) == (True, 1)


def test_the_next_acquisition_forgets_who_came_before(world: World) -> None:
    world.store.put(holderIdentity="other", leaseDurationSeconds=1)
    elector = world.elector("me")

    async def story() -> None:
        await elector.acquire()
        assert elector.takeover
        await elector.release()
        await elector.acquire()

    world.run(story())
    assert not elector.takeover


def test_who_finds_its_own_lease_takes_nothing_over(world: World) -> None:
    world.store.put(holderIdentity="other", leaseDurationSeconds=1)
    wire = world.wire()
    elector = world.elector("me", wire=wire)

    async def story() -> None:
        await elector.acquire()
        wire.broken = TransientError("connection refused", where="GET /x")
        await lost(elector)
        wire.broken = None
        await elector.acquire()

    world.run(story())
    assert not elector.takeover


def test_what_others_wrote_into_the_metadata_stays(world: World) -> None:
    world.store.put(holderIdentity="")
    assert world.store.lease is not None
    world.store.lease["metadata"]["labels"] = {"team": "network"}
    sent = []
    execute = world.store.execute
    world.store.execute = lambda *request: (sent.append(request), execute(*request))[1]  # type: ignore[method-assign,func-returns-value]
    world.run(world.elector("me").acquire())
    assert sent[-1][0] == "PUT"
    assert sent[-1][2]["metadata"]["labels"] == {"team": "network"}


def test_a_lease_deleted_under_its_leader_is_made_anew(world: World) -> None:
    elector = world.elector("me")

    async def story() -> None:
        await elector.acquire()
        holding = asyncio.create_task(elector.hold())
        await asyncio.sleep(3)
        world.store.lease = None
        for _ in range(30):
            await asyncio.sleep(1)
            assert elector.valid()
        holding.cancel()

    world.run(story())
    assert world.store.spec["holderIdentity"] == "me"


def test_a_new_lease_that_another_was_faster_to_make_is_no_renewal(world: World) -> None:
    fine = ("answered", 0.0, 0.0)
    elector = world.elector("me", wire=world.wire(fine, fine, fine, ("answered", 0.5, 0.0)))

    async def story() -> None:
        await elector.acquire()
        world.store.lease = None
        asyncio.get_running_loop().call_later(
            2.2, lambda: world.store.put(holderIdentity="thief", leaseDurationSeconds=15)
        )
        assert "thief holds the lease" in await lost(elector)
        assert time() == 4.5

    world.run(story())


def test_a_deleted_lease_is_not_taken_while_its_holder_may_not_know(world: World) -> None:
    other, me = world.elector("other"), world.elector("me")

    async def story() -> None:
        await other.acquire()
        waiting = asyncio.create_task(me.acquire())
        await asyncio.sleep(13)
        world.store.lease = None
        deleted = time()
        await waiting
        assert 15.0 <= time() - deleted <= 17.0

    world.run(story())
    assert me.takeover


def test_who_makes_a_deleted_lease_anew_leads_a_whole_duration_later(world: World) -> None:
    """Even where the answer is lost, and its own Lease is all that it finds next."""
    fine = ("answered", 0.0, 0.0)
    world.store.put(holderIdentity="other", leaseDurationSeconds=15)
    me = world.elector("me", wire=world.wire(fine, fine, ("lost", 1.0, 1.0)))

    async def story() -> None:
        waiting = asyncio.create_task(me.acquire())
        await asyncio.sleep(1)
        world.store.lease = None
        await asyncio.sleep(5)
        assert (world.store.spec["holderIdentity"], me.valid()) == ("me", False)
        await waiting
        assert time() == 4.0 + 15.0  # the first look at its own Lease was at 4

    world.run(story())


def test_who_could_not_make_a_deleted_lease_takes_the_next_one_as_any_other(world: World) -> None:
    fine = ("answered", 0.0, 0.0)
    world.store.put(holderIdentity="other", leaseDurationSeconds=15)
    me = world.elector("me", wire=world.wire(fine, fine, ("dropped", 0.0, 0.0)))

    async def story() -> None:
        waiting = asyncio.create_task(me.acquire())
        await asyncio.sleep(1)
        world.store.lease = None
        await asyncio.sleep(1.5)
        world.store.put(holderIdentity="", leaseDurationSeconds=1)
        await waiting
        assert time() == 3.0

    world.run(story())


def test_a_race_that_is_lost_is_no_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    me = world.elector("me", wire=world.wire(("answered", 0.0, 0.0), ("answered", 1.0, 0.0)))

    async def story() -> None:
        faster = {"holderIdentity": "faster", "leaseDurationSeconds": 15}
        asyncio.get_running_loop().call_later(0.5, lambda: world.store.put(**faster))
        assert not await me.acquire(within=0)

    world.run(story())
    assert me.holder == "faster"
    assert [one for one in caplog.records if one.levelno > logging.INFO] == []


def test_one_duration_of_patience_outlives_a_dead_holder(world: World) -> None:
    world.store.put(holderIdentity="dead", leaseDurationSeconds=15)
    wire = world.wire(("answered", 0.3, 0.2), ("answered", 0.0, 0.4))
    assert world.run(world.elector("me", wire=wire).acquire(within=15))


def test_patience_counts_from_the_first_answer(world: World) -> None:
    world.store.put(holderIdentity="dead", leaseDurationSeconds=15)
    wire = world.wire(*[("dropped", 0.0, 0.0)] * 4)
    assert world.run(world.elector("me", wire=wire).acquire(within=15))


def test_an_attempt_that_fails_beyond_the_end_of_patience_is_not_the_last(world: World) -> None:
    world.store.put(holderIdentity="dead", leaseDurationSeconds=15)
    looks = [("answered", 0.0, 0.0)] * 7
    wire = world.wire(*looks, ("dropped", 4.0, 0.0))
    assert world.run(world.elector("me", wire=wire).acquire(within=15))


def test_patience_ends(world: World) -> None:
    world.store.put(holderIdentity="other", leaseDurationSeconds=60)
    elector = world.elector("me")

    async def story() -> None:
        assert not await elector.acquire(within=15)
        assert time() == 15.0

    world.run(story())


def test_without_an_answer_the_end_of_patience_is_the_error(world: World) -> None:
    wire = world.wire()
    wire.broken = AuthError("leases is forbidden", where="GET /x", status=403)
    with pytest.raises(AuthError, match="leases is forbidden"):
        world.run(world.elector("me", wire=wire).acquire(within=15))


def test_a_release_leaves_the_lease_of_another_alone(world: World) -> None:
    elector = world.elector("me")

    async def story() -> None:
        await elector.acquire()
        world.store.put(holderIdentity="other", leaseDurationSeconds=15)
        await elector.release()

    world.run(story())
    assert world.store.spec["holderIdentity"] == "other"


def test_a_release_that_meets_a_faster_write_is_tried_again(world: World) -> None:
    fine = ("answered", 0.0, 0.0)
    elector = world.elector("me", wire=world.wire(fine, fine, fine, ("answered", 1.0, 0.0)))

    async def story() -> None:
        await elector.acquire()
        renewal = {"holderIdentity": "me", "leaseDurationSeconds": 15}
        asyncio.get_running_loop().call_later(0.5, lambda: world.store.put(**renewal))
        await elector.release()

    world.run(story())
    assert (world.store.spec["holderIdentity"], world.store.spec["leaseDurationSeconds"]) == ("", 1)


@pytest.mark.parametrize("trouble", [TransientError("gone", where=""), ValueError("a defect")])
def test_a_release_never_fails(world: World, trouble: Exception) -> None:
    wire = world.wire()
    elector = world.elector("me", wire=wire)

    async def story() -> None:
        await elector.acquire()
        wire.broken = trouble
        await elector.release()
        assert not elector.valid()

    world.run(story())


def test_a_release_gives_up_in_time(world: World) -> None:
    fine = ("answered", 0.0, 0.0)
    elector = world.elector("me", wire=world.wire(fine, fine, ("answered", 1000.0, 0.0)))

    async def story() -> None:
        await elector.acquire()
        await elector.release()
        assert time() == 5.0

    world.run(story())


def test_whoever_never_looked_at_the_lease_has_nothing_to_release(world: World) -> None:
    wire = world.wire()
    world.run(world.elector("me", wire=wire).release())
    assert wire.asked == []


def test_a_defect_is_a_failed_renewal_too(world: World) -> None:
    wire = world.wire()
    elector = world.elector("me", wire=wire)

    async def story() -> None:
        await elector.acquire()
        wire.broken = KeyError("metadata")
        assert "not renewed within 10 s: 'metadata'" in await lost(elector)

    world.run(story())


def test_waiters_spread_their_looks() -> None:
    pauses = [Elector(None, "n", "l", "i").jitter(2.0) for _ in range(500)]  # type: ignore[arg-type]
    assert 2.0 <= min(pauses) < 2.2
    assert 4.2 < max(pauses) <= 4.4


def test_each_holder_that_is_waited_for_is_named_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="discovery.clients.kube.lease")
    world.store.put(holderIdentity="first", leaseDurationSeconds=15)
    elector = world.elector("me")

    async def story() -> None:
        loop = asyncio.get_running_loop()
        second = {"holderIdentity": "second", "leaseDurationSeconds": 15}
        loop.call_later(9, lambda: world.store.put(**second))
        await elector.acquire()
        await elector.release()

    world.run(story())
    told = [(one.message, getattr(one, "holder", None)) for one in caplog.records]
    assert told == [
        ("waiting for the lease", "first"),
        ("waiting for the lease", "second"),
        ("lease acquired", None),
        ("lease released", None),
    ]


def test_a_holder_that_is_waited_for_again_is_named_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="discovery.clients.kube.lease")
    elector = world.elector("me")

    async def story() -> None:
        for _ in range(2):
            world.store.put(holderIdentity="other", leaseDurationSeconds=1)
            await elector.acquire()

    world.run(story())
    told = [one.message for one in caplog.records]
    assert told == ["waiting for the lease", "lease acquired"] * 2


def test_nobody_is_said_to_wait_for_itself(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="discovery.clients.kube.lease")
    world.store.put(holderIdentity="other", leaseDurationSeconds=15)
    elector = world.elector("me")

    async def story() -> None:
        asyncio.get_running_loop().call_later(1, setattr, world.store, "lease", None)
        await elector.acquire()

    world.run(story())
    told = [one.message for one in caplog.records]
    assert told == ["waiting for the lease", "lease acquired"]


def test_a_failure_that_lasts_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    wire = world.wire()
    wire.broken = AuthError("leases is forbidden", where="GET /x", status=403)

    async def story() -> None:
        with pytest.raises(AuthError):
            await world.elector("me", wire=wire).acquire(within=30)

    world.run(story())
    (line,) = caplog.records
    assert (line.levelname, line.message) == ("ERROR", "lease not acquired")
    assert vars(line)["problem"] == "leases is forbidden (GET /x, HTTP 403)"


def test_who_took_the_lease_from_nobody_is_alone_at_once(world: World) -> None:
    me = world.elector("me")

    async def story() -> None:
        await me.acquire()
        assert me.is_alone()

    world.run(story())


def test_who_took_the_lease_from_another_is_alone_after_its_duration(world: World) -> None:
    other, me = world.elector("other"), world.elector("me")

    async def story() -> None:
        await other.acquire()
        await me.acquire()
        holding = asyncio.create_task(me.hold())
        await asyncio.sleep(14.9)
        assert not me.is_alone()
        await asyncio.sleep(0.2)
        assert me.is_alone()
        holding.cancel()

    world.run(story())
