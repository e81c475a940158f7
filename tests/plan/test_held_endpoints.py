from ipaddress import ip_address
from typing import Any

from discovery.plan.endpoints import Endpoint, Refused, Source
from discovery.plan.gate import Exclusion
from discovery.plan.policy import TailnetPolicy
from discovery.plan.ports import Port
from discovery.plan.resolve import Candidates, resolve

POLICY = TailnetPolicy("company.ts.net", ("company.ts.net",))


def names(endpoints: tuple[Endpoint, ...]) -> list[str]:
    return [endpoint.name for endpoint in endpoints]


def held(name: str, node_id: str, address: str) -> Endpoint:
    return Endpoint(
        name,
        Source.TAG_SELECTOR,
        node_id,
        "",
        (ip_address(address),),
        (Port("http", 80),),
        held=True,
    )


def test_an_endpoint_that_is_held_keeps_its_name(make: Any) -> None:
    kept = held("api-1", "nOld", "100.64.0.50")
    found = resolve(make.resource(), Candidates((make.device(1),), held=(kept,)), POLICY)

    assert [e.node_id for e in found.endpoints if e.name == "api-1"] == ["nOld"]
    assert len(found.endpoints) == 2


def test_a_held_endpoint_whose_address_is_another_devices_now_goes(make: Any) -> None:
    stranger = make.device(7, "tag:other", addresses=("100.64.0.50",))
    candidates = Candidates(
        by_address={"100.64.0.50": stranger},
        held=(held("api-1", "n1", "100.64.0.50"), held("api-2", "n2", "100.64.0.51")),
    )

    found = resolve(make.resource(), candidates, POLICY)

    assert names(found.endpoints) == ["api-2"]
    assert found.refused == (Refused("api-1", "n1", Exclusion.REASSIGNED, "n7"),)


def test_a_held_endpoint_stays_while_its_address_is_its_own(make: Any) -> None:
    own = make.device(1, addresses=("100.64.0.50",), authorized=False)
    candidates = Candidates(
        by_address={"100.64.0.50": own}, held=(held("api-1", "n1", "100.64.0.50"),)
    )

    assert names(resolve(make.resource(), candidates, POLICY).endpoints) == ["api-1"]


def test_a_held_endpoint_gives_its_name_to_a_static_one(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("api", "100.64.0.99", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    kept = (held("api", "n2", "100.64.0.50"), held("api-0480a93d", "n9", "100.64.0.51"))
    found = resolve(resource, Candidates(held=kept), POLICY)

    assert [(e.name, e.node_id) for e in found.endpoints] == [
        ("api", ""),
        ("api-0480a93d", "n9"),
        ("api-49a7796a", "n2"),
    ]
    assert found.collisions == (
        "name 'api' is taken by a static endpoint: device n2 is 'api-49a7796a'",
    )


def test_a_static_place_is_not_a_held_endpoints_any_more(make: Any) -> None:
    resource = make.resource(
        endpoints=[make.static("pinned", "100.64.0.50", 80)],
        tagSelectors=[{"key": "env", "operator": "Exists"}],
    )
    found = resolve(resource, Candidates(held=(held("api-1", "n1", "100.64.0.50"),)), POLICY)

    assert names(found.endpoints) == ["pinned"]
