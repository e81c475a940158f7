"""Putting the settings together: defaults, the file, the environment, flags; the last one wins."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import ValidationError

from discovery.settings.environment import (
    CONFIG_VARIABLE,
    environment_overrides,
    tailscale_overrides,
)
from discovery.settings.errors import ConfigError, problem
from discovery.settings.file import read_file
from discovery.settings.model import Settings
from discovery.settings.tree import Override, Path, Tree, leaves, spelled
from discovery.settings.validation import problems_of

ENVIRONMENT_ONLY: Final = ("apiKey", "clientID", "clientSecret", "jwtFile")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings, what was odd about their sources, and where each value comes from."""

    settings: Settings
    warnings: tuple[str, ...]
    origins: Mapping[Path, str]

    def rows(self) -> list[tuple[str, Any, str]]:
        """Return (key, value, origin) of every effective value; secrets are masked.

        The origin is ``default``, ``FILE:LINE``, a variable or a flag.
        """
        values = self.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
        return [
            (spelled(path), value, self.origins.get(path, "default"))
            for path, value in leaves(values)
        ]


def load(
    file: FilePath | None = None,
    *,
    flags: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read every source and return the effective settings.

    ``file`` is what the user named; without it TAILNET_DISCOVERY_CONFIG is asked. ``environ`` is
    the process's environment unless given. Raises ConfigError with everything that is wrong.
    """
    environ = os.environ if environ is None else environ
    if file is None and environ.get(CONFIG_VARIABLE):
        file = FilePath(environ[CONFIG_VARIABLE])
    tree = read_file(file) if file is not None else Tree()
    problems = _secrets_in_file(tree)
    ours, warnings = environment_overrides(environ)
    problems += _put(tree, ours)
    if not problems:
        named = bool(tree.values.get("tailnets"))
        _put(tree, tailscale_overrides(environ, tree))
        _put(tree, flags)
        problems = _nameless(tree) if named else []
    try:
        settings = Settings.model_validate(tree.values, by_alias=True, by_name=False)
    except ValidationError as exc:
        raise ConfigError(*problems, *problems_of(exc, tree)) from None
    if problems:
        raise ConfigError(*problems)
    return Loaded(settings, tuple(warnings), tree.origins)


def _put(tree: Tree, overrides: Sequence[Override]) -> list[str]:
    problems = []
    for override in overrides:
        if not tree.put(override):
            what = f"{spelled(override.path)} can not be set: an entry before it is missing"
            advice = "Number the entries of a list from 0, without gaps."
            problems.append(problem(what, override.origin, advice))
    return problems


def _tailnets(tree: Tree) -> list[tuple[int, dict[str, Any]]]:
    tailnets = tree.values.get("tailnets")
    entries = tailnets if isinstance(tailnets, list) else []
    return [(i, entry) for i, entry in enumerate(entries) if isinstance(entry, dict)]


def _secrets_in_file(tree: Tree) -> list[str]:
    problems = []
    for index, tailnet in _tailnets(tree):
        credentials = tailnet.get("credentials")
        for key in ENVIRONMENT_ONLY:
            if isinstance(credentials, dict) and key in credentials:
                path = ("tailnets", index, "credentials", key)
                what = f"{spelled(path)} must not stand in a file"
                advice = "Write {directory: FOLDER}, or set it in the environment."
                problems.append(problem(what, tree.origin(path), advice))
    return problems


def _nameless(tree: Tree) -> list[str]:
    return [
        problem(
            f"tailnets[{index}].name is empty",
            tree.origin(("tailnets", index, "name")),
            "Write what spec.tailnet of the resources says, as in company.ts.net.",
        )
        for index, tailnet in _tailnets(tree)
        if tailnet.get("name") == ""
    ]
