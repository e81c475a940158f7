"""What the controller says of itself at ``/metrics``."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.cluster.place import Call, Calls

_VERBS = {
    "apply": "APPLY",
    "create": "POST",
    "delete": "DELETE",
    "get": "GET",
    "list": "LIST",
    "patch": "PATCH",
}


@dataclass(frozen=True, slots=True)
class Scrape:
    """How many passes were made and wait, and how many resources are known to be ready.

    ``ended`` is when the last pass ended, in seconds since 1970. ``calls`` are the requests, named
    as the API server names them, save that a subresource counts as its resource.
    """

    passes: int = 0
    pending: int = 0
    ready: int = 0
    ended: float = 0.0
    calls: Calls = field(default_factory=Counter)

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the text of a scrape."""
        passes = 0
        values: dict[str, float] = {}
        calls: Calls = Counter()
        for family in text_string_to_metric_families(text):
            for name, labels, value, *_ in family.samples:
                what = name.removeprefix("tailnet_discovery_")
                if what == "reconciles_total":
                    passes += int(value)
                elif what == "kube_requests_total" and labels["verb"] in _VERBS:
                    calls[Call(_VERBS[labels["verb"]], labels["resource"])] += int(value)
                elif not labels or labels.get("ready") == "true":
                    values[what] = value
        return cls(
            passes,
            int(values["pending_keys"]),
            int(values["resources"]),
            values["last_reconcile_timestamp_seconds"],
            calls,
        )
