"""A kubeconfig, read far enough to say in one line what is wrong with it.

The texts of ``kubernetes.aio`` are not passed on: some of them quote the user entry, token and all.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from discovery.settings.errors import ConfigError, closest, problem

_DEFAULT: Final = "~/.kube/config"
_SECTIONS: Final = ("clusters", "contexts", "users")


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The files of a kubeconfig and the context that is chosen in them."""

    paths: tuple[Path, ...]
    context: str
    namespace: str
    user: Mapping[str, Any]

    @property
    def where(self) -> str:
        """The files, and the context in them, for messages."""
        return f"{_joined(self.paths)}, context {self.context}"


def found(kubeconfig: Path | None) -> tuple[Path, ...]:
    """Return the files to read: the one given, those of KUBECONFIG, or kubectl's default.

    Of those that nobody named on the command line the missing ones are left out, as kubectl does.
    """
    if kubeconfig is not None:
        return (kubeconfig.expanduser(),)
    named = os.environ.get("KUBECONFIG") or _DEFAULT
    paths = (Path(name).expanduser() for name in named.split(os.pathsep) if name)
    return tuple(path for path in paths if path.exists())


def read(paths: tuple[Path, ...], context: str | None) -> Kubeconfig:
    """Return what the files say of ``context``, or of their current one; raise ConfigError."""
    if not paths:
        advice = "Name one with --kubeconfig or KUBECONFIG."
        raise ConfigError(problem("there is no kubeconfig", f"context {context}", advice))
    merged: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    current = ""
    for path in paths:
        document = _document(path)
        current = current or str(document.get("current-context") or "")
        for section in _SECTIONS:
            for name, entry in _entries(document, section, path):
                merged[section].setdefault(name, entry)
    chosen = context or current
    _check(chosen, merged, _joined(paths))
    entry = merged["contexts"][chosen]
    user = merged["users"].get(str(entry.get("user")), {})
    return Kubeconfig(paths, chosen, str(entry.get("namespace") or "default"), user)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as exc:
        text = f"the kubeconfig can not be read: {exc.strerror}"
        advice = "Name another file with --kubeconfig or KUBECONFIG."
        raise ConfigError(problem(text, str(path), advice)) from exc
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise _broken(path, "is no YAML") from exc
    if not isinstance(document, dict):
        raise _broken(path, "is no YAML mapping")
    return document


def _entries(document: dict[str, Any], section: str, path: Path) -> list[tuple[str, Any]]:
    entries = document.get(section) or []
    if not isinstance(entries, list):
        raise _broken(path, f"has {section} that are no list")
    named = []
    for entry in entries:
        inner = entry.get(section[:-1]) or {} if isinstance(entry, dict) else None
        if not isinstance(inner, dict) or not entry.get("name"):
            raise _broken(path, f"has an entry in {section} without a name or a {section[:-1]}")
        named.append((str(entry["name"]), inner))
    return named


def _check(chosen: str, merged: dict[str, dict[str, Any]], where: str) -> None:
    contexts = merged["contexts"]
    names = ", ".join(sorted(contexts)) or "none"
    if not chosen:
        advice = f"Name one with --context; there are: {names}."
        raise ConfigError(problem("the kubeconfig has no current context", where, advice))
    if chosen not in contexts:
        meant = closest(chosen, contexts)
        advice = f"Did you mean {meant}?" if meant else f"There are: {names}."
        raise ConfigError(problem(f"the kubeconfig has no context {chosen}", where, advice))
    where = f"{where}, context {chosen}"
    for kind in ("cluster", "user"):
        name = contexts[chosen].get(kind)
        if name not in merged[f"{kind}s"] and (name or kind == "cluster"):
            text = f"the context names a {kind} that is not there: {name}"
            raise ConfigError(problem(text, where, "Name another with --context, or add it."))
    cluster = merged["clusters"][contexts[chosen]["cluster"]]
    _check_cluster(cluster, where)
    if not contexts[chosen].get("user") and cluster["server"].startswith("https:"):
        # kubectl would go on as nobody, who may do nothing; the library fails without saying why.
        advice = "Add one with kubectl config set-context, or name another context with --context."
        raise ConfigError(problem("the context names no user", where, advice))


def _check_cluster(cluster: dict[str, Any], where: str) -> None:
    if not is_plain_url(str(cluster.get("server", "")), "https", "http"):
        text = "the cluster's server is no URL of the form https://HOST[:PORT], without user"
        raise ConfigError(problem(text, where, "Correct it with kubectl config set-cluster."))
    proxy = cluster.get("proxy-url")
    if proxy is not None and urlsplit(str(proxy)).scheme not in ("http", "https"):
        text = "the cluster's proxy-url is not that of an HTTP proxy"
        raise ConfigError(problem(text, where, "SOCKS is not supported; name an HTTP proxy."))


def is_plain_url(text: str, *schemes: str) -> bool:
    """Return whether ``text`` is a URL with one of these schemes, a host, and no user."""
    try:
        url = urlsplit(text)
        return url.scheme in schemes and bool(url.hostname) and "@" not in url.netloc
    except ValueError:
        return False


def _broken(path: Path, text: str) -> ConfigError:
    advice = "Compare it with the output of kubectl config view, or name another file."
    return ConfigError(problem(f"the kubeconfig {text}", str(path), advice))


def _joined(paths: tuple[Path, ...]) -> str:
    return ", ".join(str(path) for path in paths)
