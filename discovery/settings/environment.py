"""Settings from environment variables: ours, whose names follow the keys, and Tailscale's own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from discovery.settings.errors import closest
from discovery.settings.model import Settings
from discovery.settings.section import Section
from discovery.settings.tailnet import ControlPlane
from discovery.settings.tree import Override, Path, Tree

PREFIX: Final = "TAILNET_DISCOVERY_"
CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"

TAILSCALE_VARIABLES: Final[Mapping[str, Path]] = {
    "TS_API_KEY": ("credentials", "apiKey"),
    "TS_API_CLIENT_ID": ("credentials", "clientID"),
    "TS_API_CLIENT_SECRET": ("credentials", "clientSecret"),
    "TS_BASE_URL": ("baseURL",),
    "TS_TAILNET": ("tailnet",),
}
"""Tailscale's variables, and the key of a tailnet that each stands for."""

# The kubelet sets such variables for every Service of the pod's namespace, and ours may well be
# called tailnet-discovery (Kubernetes documentation, "Service links").
_SERVICE_LINK: Final = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?"
    r"|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable's name and the key that it sets; ``N`` stands for the index in a list."""

    name: str
    path: Path
    takes_list: bool

    def override(self, name: str, text: str) -> Override | None:
        """Return what the variable ``name`` sets, None where it is another one."""
        match = re.fullmatch(re.sub(r"_N(?=_)", r"_(0|[1-9][0-9]{0,2})", self.name), name)
        if match is None:
            return None
        indices = iter(match.groups())
        path = tuple(int(next(indices)) if step == "N" else step for step in self.path)
        parts = [part.strip() for part in text.split(",")]
        value = [part for part in parts if part] if self.takes_list else text
        return Override(path, value, name)


def known_variables() -> tuple[Variable, ...]:
    """Return every variable of ours, in the order of the configuration's keys."""
    return tuple(_variables(Settings, PREFIX.rstrip("_"), ()))


def _variables(model: type[Section], name: str, path: Path) -> Iterator[Variable]:
    sections = model.sections()
    for attribute, (_, is_list) in model.children().items():
        alias = model.model_fields[attribute].alias or attribute
        below, at = f"{name}_{attribute.upper()}", (*path, alias)
        section = sections[attribute]
        if section is None:
            yield Variable(below, at, takes_list=is_list)
        elif is_list:
            yield from _variables(section, f"{below}_N", (*at, "N"))
        else:
            yield from _variables(section, below, at)


def environment_overrides(environ: Mapping[str, str]) -> tuple[list[Override], list[str]]:
    """Return what our variables set, lists in order, and a warning for each unknown one.

    A variable that is set to nothing counts as not set.
    """
    variables = known_variables()
    overrides: list[Override] = []
    warnings: list[str] = []
    for name in sorted(environ, key=_with_numbers):
        if not name.startswith(PREFIX) or not environ[name] or name == CONFIG_VARIABLE:
            continue
        found = next(filter(None, (v.override(name, environ[name]) for v in variables)), None)
        if found is not None:
            overrides.append(found)
        elif _SERVICE_LINK.fullmatch(name) is None:
            warnings.append(_unknown(name, variables))
    return overrides, warnings


def _with_numbers(name: str) -> list[tuple[bool, int, str]]:
    # Entry 2 of a list comes before entry 10.
    return [
        (part.isdecimal(), len(part) if part.isdecimal() else 0, part) for part in name.split("_")
    ]


def _unknown(name: str, variables: tuple[Variable, ...]) -> str:
    index = next(iter(re.findall(r"_([0-9]+)_", name)), "0")
    names = [v.name.replace("_N_", f"_{index}_") for v in variables]
    meant = closest(name, [*names, CONFIG_VARIABLE])
    advice = f"Did you mean {meant}?" if meant else "docs/reference/configuration.md has them all."
    return f"unknown variable, which is ignored ({name}). {advice}"


def tailscale_overrides(environ: Mapping[str, str], tree: Tree) -> list[Override]:
    """Return what Tailscale's own variables add to the one tailnet.

    They make up a tailnet where none is configured and they hold credentials; its name is then
    learned from the first device list. Where exactly one is configured that has no credentials,
    they fill in what it leaves out: the file wins.
    """
    given = {name: environ[name] for name in TAILSCALE_VARIABLES if environ.get(name)}
    tailnets = tree.values.get("tailnets", [])
    keyed = any(TAILSCALE_VARIABLES[name][0] == "credentials" for name in given)
    if not keyed or not isinstance(tailnets, list) or len(tailnets) > 1:
        return []
    configured = tailnets[0] if tailnets else {}
    if not isinstance(configured, dict) or configured.get("credentials"):
        return []
    if configured.get("controlPlane", ControlPlane.TAILSCALE) != ControlPlane.TAILSCALE:
        return []
    added = [
        Override(("tailnets", 0, *path), given[name], name)
        for name, path in TAILSCALE_VARIABLES.items()
        if name in given and path[0] not in configured
    ]
    if tailnets:
        return added
    return [Override(("tailnets", 0, "name"), "", min(given)), *added]
