"""Endpoints as a table: what a person looks at first."""

from collections.abc import Iterable, Mapping

from discovery.cli.output import Table
from discovery.plan.endpoints import Endpoint, Source
from discovery.plan.losses import MEANINGS
from discovery.plan.passes import Pass
from tagselectors import SelectorTerms, TagGrammar

HEADERS = ("RESOURCE", "ENDPOINT", "ADDRESS", "PORT", "TAGS", "WHY")


def endpoint_table(passes: Iterable[tuple[Pass, TagGrammar]]) -> Table:
    """Return a row for each address and port of each endpoint; a resource without any has one."""
    rows: list[tuple[str, ...]] = []
    for made, grammar in passes:
        key = str(made.resource.key)
        terms = made.resource.spec.selector
        waiting = {loss.node_id: MEANINGS[loss.cause] for loss in made.decision.held}
        found = [
            row
            for endpoint in made.resolution.endpoints
            for row in _rows(key, endpoint, _why(endpoint, terms, grammar, waiting))
        ]
        rows += found or [(key, "-", "-", "-", "-", _why_none(made))]
    return Table(HEADERS, rows)


def _rows(key: str, endpoint: Endpoint, why: str) -> Iterable[tuple[str, ...]]:
    tags = ", ".join(tag.removeprefix("tag:") for tag in endpoint.tags) or "-"
    for address in endpoint.addresses:
        for port in endpoint.ports:
            number = f"{port.number}/{port.transport} ({port.name})"
            yield key, endpoint.name, str(address), number, tags, why


def _why(
    endpoint: Endpoint, terms: SelectorTerms, grammar: TagGrammar, waiting: Mapping[str, str]
) -> str:
    if endpoint.node_id in waiting:
        return f"waits for removal: {waiting[endpoint.node_id]}"
    if endpoint.held:
        return "kept: its device could not be read from the list"
    if endpoint.source is Source.STATIC:
        return "static: in spec.endpoints"
    term = next(term for term in terms.terms if term.matches(endpoint.tags, grammar))
    return f"selected: {term}"


def _why_none(made: Pass) -> str:
    if made.observed.rejection is not None:
        return f"not accepted: {made.observed.rejection.message}"
    if made.resolution.refused:
        first = made.resolution.refused[0]
        return (
            f"none: {len(made.resolution.refused)} refused, first {first.name} ({first.exclusion})"
        )
    return "none: no device matches"
