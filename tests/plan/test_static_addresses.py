from datetime import UTC, datetime
from typing import Any

from discovery.plan.policy import TailnetPolicy
from discovery.plan.selection import Selection
from discovery.v1alpha1 import Key, TailscaleEndpointsSpec

PINNED = Key("default", "pinned")


def test_two_static_endpoints_at_one_address_may_go_together(make: Any) -> None:
    made = Selection(TailnetPolicy("company.ts.net"))
    both = [make.static("a", "100.64.0.1", 80), make.static("b", "100.64.0.1", 81)]
    spec = TailscaleEndpointsSpec.model_validate({"tailnet": "company.ts.net", "endpoints": both})
    made.define({PINNED: spec})
    made.define({PINNED: None})

    assert made.refresh([make.device(1)], datetime(2026, 11, 25, tzinfo=UTC)) == set()
