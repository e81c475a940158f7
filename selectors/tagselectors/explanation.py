"""Why a device matches or not: each requirement, the tags that decided, and the rule that did."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .grammar import TagGrammar
from .requirement import Operator, TagSelector


@dataclass(frozen=True, slots=True)
class RequirementVerdict:
    """What one requirement said; ``tags`` decided, in order, and ``reason`` is one sentence."""

    requirement: TagSelector
    matches: bool
    tags: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class TermVerdict:
    """What the requirements of one term said together: all of at least one must match."""

    requirements: tuple[RequirementVerdict, ...]

    @property
    def matches(self) -> bool:
        """Whether the term selects the device."""
        return bool(self.requirements) and all(each.matches for each in self.requirements)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict on one device: it matches when a term does. ``str()`` is the text for people."""

    terms: tuple[TermVerdict, ...]

    @property
    def matches(self) -> bool:
        """Whether the device is selected."""
        return any(term.matches for term in self.terms)

    def lines(self) -> tuple[str, ...]:
        """Return the verdict as indented lines of text, the same for the same verdict."""
        if not self.terms:
            return ("does not match: a selector without terms selects nothing.",)
        lines = [_verdict(self.matches)]
        for number, term in enumerate(self.terms, start=1):
            empty = "" if term.requirements else ": a term without requirements selects nothing."
            lines.append(f"  term {number} {_verdict(term.matches)}{empty}")
            lines.extend(
                f"    {each.requirement} {_verdict(each.matches)}: {each.reason}"
                for each in term.requirements
            )
        return tuple(lines)

    def __str__(self) -> str:
        return "\n".join(self.lines())


def explain_requirement(
    requirement: TagSelector, tags: Collection[str], grammar: TagGrammar
) -> RequirementVerdict:
    """Return what ``requirement`` says about a device with these tags, and why."""
    deciding, reason = _evidence(requirement, tags, grammar)
    return RequirementVerdict(requirement, requirement.matches(tags, grammar), deciding, reason)


def _evidence(
    requirement: TagSelector, tags: Collection[str], grammar: TagGrammar
) -> tuple[tuple[str, ...], str]:
    key = requirement.key
    values = {tag: grammar.values_of(key, [tag]) for tag in sorted(set(tags))}
    owned = tuple(tag for tag, found in values.items() if found)
    if not owned:
        return _absence(key, tags, grammar)
    if requirement.operator in {Operator.EXISTS, Operator.DOES_NOT_EXIST}:
        return owned, f"{_have(owned)} the key {key}."
    listed = tuple(tag for tag in owned if not values[tag].isdisjoint(requirement.values))
    if listed:
        return listed, f"{_have(listed)} a listed value of the key {key}."
    return owned, f"{_have(owned)} the key {key}, but no listed value."


def _absence(key: str, tags: Collection[str], grammar: TagGrammar) -> tuple[tuple[str, ...], str]:
    undeclared = TagGrammar()
    taken = tuple(sorted({tag for tag in tags if undeclared.values_of(key, [tag])}))
    if not taken:
        return (), f"No tag has the key {key}."
    owners = [f"{tag} belongs to the declared key {grammar.readings(tag)[0][0]}" for tag in taken]
    return taken, f"{_listing(owners)}, not to {key}."


def _verdict(matches: bool) -> str:
    return "matches" if matches else "does not match"


def _have(tags: tuple[str, ...]) -> str:
    return f"{_listing(tags)} {'has' if len(tags) == 1 else 'have'}"


def _listing(texts: Iterable[str]) -> str:
    return " and ".join(texts)
