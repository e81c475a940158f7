"""What is wrong with a configuration, for people: every problem at once, one line each."""

from collections.abc import Iterable
from difflib import get_close_matches


class ConfigError(Exception):
    """The configuration can not be used.

    ``problems`` are lines of the form ``WHAT (WHERE). WHAT TO DO``, in the order in which a reader
    meets them; none holds a secret.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


def problem(what: str, where: str, advice: str) -> str:
    """Put the three parts of a problem into the form that every message has."""
    return f"{what} ({where}). {advice}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, whatever the case of the letters."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None
