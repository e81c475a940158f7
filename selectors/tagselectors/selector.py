"""Requirements put together: a selector is their AND, terms are the OR of selectors."""

from collections.abc import Collection
from dataclasses import dataclass

from .explanation import Explanation, TermVerdict, explain_requirement
from .grammar import TagGrammar
from .requirement import NO_DECLARED_KEYS, TagSelector


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must match; without any, nothing does. ``str()`` is kubectl's syntax."""

    requirements: tuple[TagSelector, ...] = ()

    def matches(self, tags: Collection[str], grammar: TagGrammar = NO_DECLARED_KEYS) -> bool:
        """Return whether a device with these tags is selected."""
        return bool(self.requirements) and all(
            requirement.matches(tags, grammar) for requirement in self.requirements
        )

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


@dataclass(frozen=True, slots=True)
class SelectorTerms:
    """At least one term must match; without any, nothing does."""

    terms: tuple[Selector, ...] = ()

    def matches(self, tags: Collection[str], grammar: TagGrammar = NO_DECLARED_KEYS) -> bool:
        """Return whether a device with these tags is selected."""
        return any(term.matches(tags, grammar) for term in self.terms)

    def explain(self, tags: Collection[str], grammar: TagGrammar = NO_DECLARED_KEYS) -> Explanation:
        """Return why a device with these tags is selected or not."""
        return Explanation(
            tuple(
                TermVerdict(
                    tuple(explain_requirement(each, tags, grammar) for each in term.requirements)
                )
                for term in self.terms
            )
        )
