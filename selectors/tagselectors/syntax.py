"""kubectl's selector syntax: ``env=production,tier in (web,api),gpu,!canary``.

The words and their meaning are those of ``kubectl get -l`` (k8s.io/apimachinery, labels.Parse):
``=`` and ``==`` list one value, ``!=`` excludes one, ``in`` and ``notin`` take values in brackets,
a key alone must be there and ``!key`` must not. A value may be left out and is then ``""``, which
here is the bare tag. ``in`` and ``notin`` may be keys and values too. Unlike there, a selector
without requirements is an error, since it would select nothing.
"""

import re
from dataclasses import dataclass

from pydantic import ValidationError

from .requirement import Operator, TagSelector
from .selector import Selector

_TOKEN = re.compile(r"==|!=|[=!(),<>]|[^\s=!(),<>]+")
_EQUALITY = {"=": Operator.IN, "==": Operator.IN, "!=": Operator.NOT_IN}
_SETS = {"in": Operator.IN, "notin": Operator.NOT_IN}
_AFTER_KEY = "'=', '==', '!=', 'in', 'notin' or ','"


class SelectorSyntaxError(ValueError):
    """Text that is no selector. ``position`` counts from 0 in ``text``; ``problem`` is one line."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"selector {text!r}, character {position + 1}: {problem}")
        self.text = text
        self.position = position
        self.problem = problem


def parse_selector(text: str) -> Selector:
    """Return the selector that ``text`` says. Raises SelectorSyntaxError where it says none."""
    parser = _Parser(text, _tokens(text))
    requirements = [parser.requirement()]
    while not parser.at_end():
        key_alone = requirements[-1].operator is Operator.EXISTS
        parser.expect(",", _AFTER_KEY if key_alone else "','")
        requirements.append(parser.requirement())
    return Selector(tuple(requirements))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    position: int

    @property
    def is_word(self) -> bool:
        return self.text not in {"", "=", "==", "!", "!=", "(", ")", ",", "<", ">"}


def _tokens(text: str) -> list[_Token]:
    found = [_Token(token.group(), token.start()) for token in _TOKEN.finditer(text)]
    return [*found, _Token("", len(text))]


@dataclass(slots=True)
class _Parser:
    """Reads tokens from left to right; the last one is empty and stands for the end."""

    text: str
    tokens: list[_Token]
    index: int = 0

    def at_end(self) -> bool:
        return not self.tokens[self.index].text

    def requirement(self) -> TagSelector:
        negated = self.accept("!")
        key = self.word("a key, as in env")
        operator = None if negated else self.operator()
        if operator is None:
            exists = Operator.DOES_NOT_EXIST if negated else Operator.EXISTS
            return self.build(key, exists, [])
        if self.tokens[self.index - 1].text in _EQUALITY:
            return self.build(key, operator, [self.value()])
        return self.build(key, operator, self.values())

    def operator(self) -> Operator | None:
        token = self.tokens[self.index]
        operator = _EQUALITY.get(token.text) or _SETS.get(token.text)
        if operator:
            self.index += 1
        return operator

    def values(self) -> list[_Token]:
        self.expect("(", "'('")
        values = [self.value()]
        while self.accept(","):
            values.append(self.value())
        self.expect(")", "',' or ')'")
        return values

    def value(self) -> _Token:
        token = self.tokens[self.index]
        if token.is_word:
            self.index += 1
            return token
        return _Token("", token.position)

    def word(self, expected: str) -> _Token:
        token = self.tokens[self.index]
        if not token.is_word:
            raise self.unexpected(expected)
        self.index += 1
        return token

    def accept(self, text: str) -> bool:
        found = self.tokens[self.index].text == text
        self.index += found
        return found

    def expect(self, text: str, expected: str) -> None:
        if not self.accept(text):
            raise self.unexpected(expected)

    def unexpected(self, expected: str) -> SelectorSyntaxError:
        token = self.tokens[self.index]
        found = f"'{token.text}'" if token.text else "the end"
        return SelectorSyntaxError(
            self.text, token.position, f"expected {expected}, but found {found}"
        )

    def build(self, key: _Token, operator: Operator, values: list[_Token]) -> TagSelector:
        try:
            return TagSelector(
                key=key.text, operator=operator, values=tuple(value.text for value in values)
            )
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False)[0]
            place = problem["loc"]
            wrong = values[int(place[1])] if len(place) > 1 else key
            raise SelectorSyntaxError(self.text, wrong.position, problem["msg"]) from error
