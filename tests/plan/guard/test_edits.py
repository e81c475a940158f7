"""Edits of a spec: what they remove at once, and what they do not."""

from tests.plan.guard.conftest import (
    STAGING,
    History,
    causes,
    device,
    fleet,
    history,
    reasons,
    without,
)


def test_an_edit_takes_its_own_at_once_even_under_an_outage(ten: History) -> None:
    devices = [*fleet(*range(1, 11)), device(11, "tag:env-staging")]
    ten.turn(devices)
    ten.edit(tagSelectors=STAGING)
    made = ten.turn(devices, evidence={"current": False, "fetched_at": ten.now})
    assert set(causes(made.decision).values()) == {"SpecChanged"}
    assert ten.names == ["n11"]


def test_an_edit_releases_nothing_that_is_guarded(ten: History) -> None:
    less = fleet(*without(1, 2, 3, 4))
    ten.turn(less)
    ten.edit(discovery={"ports": [{"name": "http", "port": 9090}]})
    made = ten.turn(less)
    assert set(reasons(made.decision).values()) == {"OverBudget"}
    assert len(ten.names) == 10


def test_after_a_restart_an_edit_is_guarded(ten: History) -> None:
    devices = [device(n) for n in range(1, 11)] + [device(11, "tag:env-staging")]
    ten.turn(devices)
    ten.edit(tagSelectors=STAGING)
    ten.restart()
    made = ten.turn(devices)
    assert set(reasons(made.decision).values()) == {"OverBudget"}
    assert len(ten.names) == 11


def test_an_edit_that_leaves_nothing_waits_for_a_person(ten: History) -> None:
    devices = fleet(*range(1, 11))
    ten.edit(tagSelectors=STAGING)
    for _ in range(6):
        made = ten.turn(devices)
        assert set(reasons(made.decision).values()) == {"SelectsNothing"}
    assert ten.resource.status is not None
    assert ten.resource.status.observed_generation == 1
    ten.approve()
    ten.turn(devices)
    assert (ten.names, ten.resource.status.observed_generation) == ([], 2)


def test_an_edit_that_leaves_nothing_waits_after_a_restart_too(ten: History) -> None:
    ten.edit(tagSelectors=STAGING)
    ten.restart()
    for _ in range(4):
        made = ten.turn(fleet(*range(1, 11)))
    assert set(reasons(made.decision).values()) == {"SelectsNothing"}


def test_an_edit_that_leaves_none_of_two_goes_at_once() -> None:
    two = history()
    two.turn(fleet(1, 2))
    two.edit(tagSelectors=STAGING)
    two.turn(fleet(1, 2))
    assert two.names == []


def test_a_static_endpoint_that_is_taken_out_goes_at_once() -> None:
    entry = {"name": "db", "tailscaleIP": "100.64.9.9", "port": 80, "protocol": "TCP"}
    made = history(
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}],
    )
    made.turn(fleet(1))
    made.edit(endpoints=[])
    done = made.turn(fleet(1), evidence={"current": False, "fetched_at": made.now})
    assert [(loss.name, loss.cause) for loss in done.decision.released] == [("db", "StaticRemoved")]


def test_a_static_endpoint_takes_the_place_of_a_discovered_one(ten: History) -> None:
    entry = {"name": "db", "tailscaleIP": "100.64.0.1", "port": 80, "protocol": "HTTP"}
    ten.edit(endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}])
    made = ten.turn(fleet(*range(1, 11)))
    assert causes(made.decision) == {"n01": "SpecChanged"}


def test_another_family_in_the_spec_is_an_edit(ten: History) -> None:
    both = device(1, addresses=("100.64.0.1", "fd7a:115c:a1e0::1"))
    ten.turn([both, *fleet(*without(1))])
    ten.edit(discovery={"addressFamilies": ["IPv6"]})
    made = ten.turn([both, *fleet(*without(1))])
    assert set(causes(made.decision).values()) == {"SpecChanged"}
    assert ten.names == ["n01"]


def test_a_static_endpoint_stays_one_whatever_status_says_of_its_name(ten: History) -> None:
    entry = {"name": "api-11", "tailscaleIP": "100.64.0.11", "port": 80, "protocol": "HTTP"}
    ten.edit(endpoints=[entry | {"tailscaleFQDN": "api-11.company.ts.net"}])
    ten.turn(fleet(*range(1, 11)))
    ten.edit(endpoints=None)
    made = ten.turn(fleet(*range(1, 11)))
    assert [str(loss.cause) for loss in made.decision.released] == ["StaticRemoved"]


def test_an_edit_that_leaves_none_of_three_waits() -> None:
    three = history()
    three.turn(fleet(1, 2, 3))
    three.edit(tagSelectors=STAGING)
    made = three.turn(fleet(1, 2, 3))
    assert set(reasons(made.decision).values()) == {"SelectsNothing"}


def test_an_edit_that_leaves_nothing_waits_whatever_is_known_of_the_list(ten: History) -> None:
    ten.edit(tagSelectors=STAGING)
    made = ten.turn(fleet(*range(1, 11)), evidence={"disproved": True})
    assert set(reasons(made.decision).values()) == {"SelectsNothing"}


def test_an_edit_that_leaves_nothing_asks_nobody(ten: History) -> None:
    ten.edit(tagSelectors=STAGING)
    ten.turn(fleet(*range(1, 11)))
    assert ten.asked == ()


def test_a_static_endpoint_that_stays_is_no_loss() -> None:
    entry = {"name": "db", "tailscaleIP": "100.64.9.9", "port": 80, "protocol": "TCP"}
    made = history(
        tagSelectors=[{"key": "env", "operator": "Exists"}],
        endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}],
    )
    made.turn(fleet(1))
    done = made.turn(fleet(1))
    assert (done.decision.released, done.decision.held) == ((), {})


def test_a_static_endpoint_takes_only_the_place_that_it_has(ten: History) -> None:
    entry = {"name": "db", "tailscaleIP": "100.64.0.1", "port": 80, "protocol": "HTTP"}
    ten.edit(endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}])
    made = ten.turn(fleet(*without(2)))
    assert (causes(made.decision), reasons(made.decision)) == (
        {"n01": "SpecChanged"},
        {"n02": "Unconfirmed"},
    )


def test_all_absent_after_an_edit_and_a_restart_is_no_matter_of_the_edit(ten: History) -> None:
    ten.edit(discovery={"ports": [{"name": "http", "port": 9090}]})
    ten.restart()
    made = ten.turn([device(99, "tag:other")])
    assert set(reasons(made.decision).values()) == {"OverBudget"}


def test_all_retagged_after_an_edit_is_no_matter_of_the_edit(ten: History) -> None:
    ten.edit(discovery={"ports": [{"name": "http", "port": 9090}]})
    made = ten.turn([device(number, "tag:env-staging") for number in range(1, 11)])
    assert set(reasons(made.decision).values()) == {"OverBudget"}


def test_all_retagged_without_an_edit_is_no_matter_of_one(ten: History) -> None:
    ten.restart()
    made = ten.turn([device(number, "tag:env-staging") for number in range(1, 11)])
    assert set(reasons(made.decision).values()) == {"OverBudget"}


def test_another_family_explains_no_absence_of_a_device_that_has_it() -> None:
    made = history()
    both = [
        device(number, addresses=(f"100.64.0.{number}", f"fd7a:115c:a1e0::{number}"))
        for number in range(1, 6)
    ]
    made.turn(both)
    made.edit(discovery={"addressFamilies": ["IPv6"]})
    done = made.turn(both[1:])
    assert reasons(done.decision) == {"n01": "Unconfirmed"}


def test_all_refused_after_an_edit_and_a_restart_is_no_matter_of_the_edit(ten: History) -> None:
    ten.edit(discovery={"ports": [{"name": "http", "port": 9090}]})
    ten.restart()
    made = ten.turn([device(number, authorized=False) for number in range(1, 11)])
    assert set(reasons(made.decision).values()) == {"OverBudget"}


def test_a_static_endpoint_of_a_listed_device_stays_a_static_one(ten: History) -> None:
    other = device(20, "tag:other", name="db.company.ts.net")
    entry = {"name": "db", "tailscaleIP": "100.64.0.20", "port": 80, "protocol": "HTTP"}
    ten.edit(endpoints=[entry | {"tailscaleFQDN": "db.company.ts.net"}])
    ten.turn([*fleet(*range(1, 11)), other])
    ten.edit(endpoints=None)
    made = ten.turn([*fleet(*range(1, 11)), other])
    assert [str(loss.cause) for loss in made.decision.released] == ["StaticRemoved"]


def test_static_endpoints_in_the_place_of_all_discovered_ones_wait_for_nobody() -> None:
    three = history()
    three.turn(fleet(1, 2, 3))
    three.edit(
        endpoints=[
            {
                "name": f"db{number}",
                "tailscaleIP": f"100.64.0.{number}",
                "tailscaleFQDN": f"db{number}.company.ts.net",
                "port": 80,
                "protocol": "HTTP",
            }
            for number in (1, 2, 3)
        ]
    )
    made = three.turn(fleet(1, 2, 3))
    assert reasons(made.decision) == {}
    assert set(causes(made.decision).values()) == {"SpecChanged"}
