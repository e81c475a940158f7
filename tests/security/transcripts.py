"""What the program said while the tests ran, and every secret that it was given meanwhile.

Each process of a run appends to files of its own in one folder; when the run ends, all of what was
said is searched for all of the secrets, whoever wrote either. :func:`note` and :func:`secret` do
nothing in a process that keeps no transcript, such as a script that imports a fixture.
"""

import json
import re
from array import array
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 7
"""Characters of a secret: what is shorter is found in texts that know nothing of it."""

_REMEMBERED: Final = 2**16  # texts
_RECORD, _TEXT = "\x1e", "\x1f"
_PREFIX: Final = 6  # bytes of a form by which a place is found that is worth a look


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """A secret, by its name, in a text of a channel, first said in a test."""

    secret: str
    channel: str
    test: str

    def __str__(self) -> str:
        return f"{self.secret} is in {self.channel} of {self.test}"


@dataclass
class Transcript:
    """The files of one process.

    ``test`` is the test that runs; while not ``learning``, a secret is none: Hypothesis makes them
    up, of the words that everything else is made of.
    """

    folder: Path
    name: str
    test: str = ""
    learning: bool = True
    _seen: "array[int]" = field(default_factory=lambda: array("q", bytes(8 * _REMEMBERED)))
    _known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._texts = self._open("texts")
        self._secrets = self._open("secrets")

    def _open(self, kind: str) -> IO[str]:
        path = self.folder / f"{self.name}.{kind}"
        return path.open("a", encoding="utf-8", errors="backslashreplace")

    def note(self, channel: str, text: str) -> None:
        """Keep a text that the program said; what was said shortly before is kept once.

        The memory for that has a fixed size: there are tests of how much memory the program takes.
        """
        digest = hash((channel, text))
        place = digest % _REMEMBERED
        if text and self._seen[place] != digest:
            self._seen[place] = digest
            text = text.replace(_RECORD, " ")
            self._texts.write(f"{_RECORD}{channel}{_TEXT}{self.test}\n{text}\n")

    def secret(self, name: str, value: str) -> None:
        """Keep a secret that must be in no text."""
        if self.learning and value and value not in self._known:
            self._known.add(value)
            named = f"{name} of {_without_values(self.test)}" if self.test else name
            self._secrets.write(json.dumps([named, value]) + "\n")

    def flush(self) -> None:
        """Write what is not written yet."""
        self._texts.flush()
        self._secrets.flush()

    def close(self) -> None:
        """Write what is not written yet, and end."""
        self._texts.close()
        self._secrets.close()


_kept: list[Transcript] = []


def keep(transcript: Transcript) -> None:
    """Let this process note everything here from now on."""
    _kept.append(transcript)


def forget(transcript: Transcript) -> None:
    """End what :func:`keep` began."""
    _kept.remove(transcript)
    transcript.close()


def note(channel: str, text: str) -> None:
    """Keep a text that the program said; ``channel`` is a plural that a sentence can name."""
    for transcript in _kept:
        transcript.note(channel, text)


def secret(name: str, value: str) -> str:
    """Keep a secret, and return it; ``name`` is what a sentence about a leak calls it."""
    for transcript in _kept:
        transcript.secret(name, value)
    return value


def too_short(folder: Path) -> list[str]:
    """Return the names of the secrets of a folder that can not be searched for."""
    return sorted({name for name, value in _secrets(folder) if len(value) < SHORTEST})


def leaks(folder: Path) -> list[Leak]:
    """Search all texts of a folder for all of its secrets, in every form that is theirs."""
    forms = dict(_forms(each for each in _secrets(folder) if len(each[1]) >= SHORTEST))
    if not forms:
        return []
    by_prefix: dict[bytes, list[bytes]] = {}
    for form in forms:
        by_prefix.setdefault(form[:_PREFIX], []).append(form)
    worth_a_look = re.compile(_alternatives(sorted(by_prefix)))
    found: set[Leak] = set()
    for path in sorted(folder.glob("*.texts")):
        said = path.read_bytes()
        at = -1
        while match := worth_a_look.search(said, at + 1):
            at = match.start()
            for form in by_prefix[match[0]]:
                if said.startswith(form, at):
                    found.update(_leak(forms[form], said, at))
    return sorted(found)


def _leak(name: str, said: bytes, at: int) -> Iterator[Leak]:
    """Yield the leak at a place, unless the place is in the head of a record: a test's own name."""
    start = said.rindex(_RECORD.encode(), 0, at)
    end = said.index(b"\n", start)
    if end < at:
        channel, _, test = said[start + 1 : end].decode(errors="replace").partition(_TEXT)
        yield Leak(name, channel, _without_values(test))


def _without_values(test: str) -> str:
    """Return a test's name without its parameters, one of which may be the secret."""
    return test.partition("[")[0]


def _secrets(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.secrets")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, value = json.loads(line)
            yield name, value


def _forms(secrets: Iterable[tuple[str, str]]) -> Iterator[tuple[bytes, str]]:
    """Yield what a text may hold of each secret: its first half is bad enough.

    Base64 spells bytes by their position, so there are three forms of what it makes of a secret
    that stands within something longer, such as a header or an object.
    """
    for name, value in secrets:
        spelled = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}
        content = value.encode("utf-8", errors="surrogatepass")
        if len(content) >= 2 * SHORTEST:
            # Without the characters on either side that depend on the neighbours.
            spelled |= {
                b64encode(bytes(shift) + content)[2 * shift : -4].decode() for shift in range(3)
            }
        for form in spelled:
            half = form[: max(2 * SHORTEST, len(form) // 2)]  # all of what is short
            yield half.encode("utf-8", errors="backslashreplace"), name


def _alternatives(words: list[bytes]) -> bytes:
    """Return a pattern that matches any of the sorted words, each character compared once."""
    branches = []
    for first in sorted({word[:1] for word in words}):
        rest = [word[1:] for word in words if word[:1] == first]
        branches.append(re.escape(first) + (_alternatives(rest) if any(rest) else b""))
    return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"
