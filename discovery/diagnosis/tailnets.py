"""One tailnet: whether its credentials work, its list is to be believed, and its tags are clear."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final

from discovery.clients.errors import APIError, AuthError, InventoryError, TransientError
from discovery.diagnosis.check import Check, Result
from discovery.plan.vocabulary import propose_keys, tag_uses
from discovery.settings import (
    ApiKey,
    ConfigError,
    ControlPlane,
    Credentials,
    OAuthClient,
    TailnetSettings,
    read_credentials,
)
from discovery.source import Source
from discovery.tailnet import Device
from tagselectors import TagGrammar

SCOPE: Final = "devices:core:read"
_NAMED: Final = 3
"""Tags or keys that a line names; it counts the rest."""


async def check_tailnet(
    source: Source, settings: TailnetSettings | None, now: datetime
) -> list[Check]:
    """Read the tailnet once; ``settings`` is None for an inventory file, which needs no credential.

    The source holds the list afterwards, where there is one to be believed.
    """
    try:
        kind = _credentials(settings)
    except ConfigError as error:
        name = source.policy.tailnet
        unread = "there are no usable credentials"
        return [
            Check("credentials", Result.FAILED, str(error), name),
            *(Check(what, Result.SKIPPED, unread, name) for what in ("scope", "devices", "tags")),
        ]
    await source.poll(now)
    name = source.policy.tailnet
    eligible = [
        device
        for node, device in sorted(source.selection.devices.items())
        if node not in source.selection.excluded
    ]
    return [
        _accepted(kind, source.error, name),
        _scope(kind, source.error, name),
        _devices(source, len(eligible)),
        _tags(eligible, source.policy.grammar, name),
    ]


def _credentials(settings: TailnetSettings | None) -> str:
    """Return what kind of credentials there is and where, empty where none is needed."""
    if settings is None or settings.control_plane is ControlPlane.FILE:
        return ""
    folder = settings.credentials.directory
    return f"{_kind(read_credentials(settings))} from {folder or 'the environment'}"


def _kind(credentials: Credentials) -> str:
    if isinstance(credentials, ApiKey):
        return "an API key"
    return "an OAuth client" if isinstance(credentials, OAuthClient) else "a workload identity"


def _lacks_scope(error: APIError | None) -> bool:
    """Tell whether the credential was accepted, and the list refused to it all the same."""
    return (
        isinstance(error, AuthError)
        and error.where.startswith("GET ")
        and error.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    )


def _accepted(kind: str, error: APIError | None, name: str) -> Check:
    if not kind:
        return Check("credentials", Result.SKIPPED, "a file needs none", name)
    if isinstance(error, AuthError) and not _lacks_scope(error):
        advice = f"Create an OAuth client with the scope {SCOPE}, and replace the old one by it."
        return Check("credentials", Result.FAILED, f"{kind}: {error}. {advice}", name)
    if error is not None and not _lacks_scope(error):
        return Check("credentials", Result.SKIPPED, "no answer that tells", name)
    return Check("credentials", Result.OK, f"{kind}, accepted", name)


def _scope(kind: str, error: APIError | None, name: str) -> Check:
    if not kind:
        return Check("scope", Result.SKIPPED, "a file needs none", name)
    if _lacks_scope(error):
        advice = f"Give the credential the scope {SCOPE}: that is all it needs to list devices."
        return Check("scope", Result.FAILED, f"{error}. {advice}", name)
    if error is not None:
        return Check("scope", Result.SKIPPED, "no answer that tells", name)
    return Check("scope", Result.OK, "enough to list devices", name)


def _devices(source: Source, eligible: int) -> Check:
    name = source.policy.tailnet
    if source.error is not None:
        if isinstance(source.error, AuthError):
            return Check("devices", Result.SKIPPED, "the list is refused, see above", name)
        return Check("devices", Result.FAILED, f"{source.error}. {_advice(source.error)}", name)
    if source.outage is not None:
        doubt = source.outage.doubt
        text = f"the list is not to be believed: {doubt.message} ({doubt.cause})"
        return Check("devices", Result.FAILED, f"{text}. Endpoints would stay as they are.", name)
    reasons = Counter(source.selection.excluded.values())
    text = f"{len(source.selection.devices)} listed, {eligible} eligible"
    if reasons:
        listed = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        text += f"; excluded: {listed}"
    unknown = source.listed.unknown if source.listed else ()
    if unknown:
        text += f"; {len(unknown)} can not be read ({unknown[0].problem})"
        return Check("devices", Result.WARNING, f"{text}. Their endpoints are kept.", name)
    if not eligible:
        text += ". Tag a machine; tailnet-discovery devices shows what excludes each."
        return Check("devices", Result.WARNING, text, name)
    return Check("devices", Result.OK, text, name)


def _advice(error: APIError) -> str:
    if isinstance(error, InventoryError):
        return "Give the JSON body that the devices API answers."
    if isinstance(error, TransientError):
        return "Look at DNS, at HTTPS_PROXY and at what may leave from here; or try again later."
    return "Look at baseURL and at the tailnet's name in the API's paths."


def _tags(eligible: Sequence[Device], grammar: TagGrammar, name: str) -> Check:
    if not eligible:
        return Check("tags", Result.SKIPPED, "no eligible device is known", name)
    uses = tag_uses(eligible, grammar)
    used = {use.key for use in uses}
    unused = sorted(key for key in grammar.declared_keys if key not in used)
    doubtful = [use.tag for use in uses if use.ambiguous]
    if doubtful:
        keys = propose_keys(use.tag for use in uses)
        text = f"can be read in more than one way: {_some(doubtful)}"
        text += f". Declare tagKeys, for example [{', '.join(keys)}]."
        return Check("tags", Result.WARNING, text, name)
    if unused:
        text = f"no eligible device has a tag of {_some(unused)}. Look at the spelling of tagKeys."
        return Check("tags", Result.WARNING, text, name)
    return Check("tags", Result.OK, f"{len(uses)} tags, each with one reading", name)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
