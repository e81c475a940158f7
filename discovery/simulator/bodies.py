"""Files that hold what the API itself would answer."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from discovery.simulator.refusals import JSONObject


class UnreadableBodyError(Exception):
    """A file that holds no such body; the text is one line that says why and where."""


def read_devices(path: Path) -> list[Any]:
    """Return the devices of a file with the body of the devices API."""
    return _list_in(path, "devices")


def read_services(path: Path) -> list[JSONObject]:
    """Return the Services of a file with the body of the services API."""
    services = _list_in(path, "vipServices")
    for position, one in enumerate(services):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise UnreadableBodyError(f"vipServices[{position}] has no name ({path})")
    return services


def suffix_of(devices: Iterable[Any]) -> str | None:
    """Return the domain that most devices' names end in; None where no name has one."""
    names = [str(one.get("name", "")) for one in devices if isinstance(one, dict)]
    suffixes = Counter(suffix for name in names if (suffix := name.partition(".")[2]))
    return suffixes.most_common(1)[0][0] if suffixes else None


def _list_in(path: Path, name: str) -> list[Any]:
    try:
        body = json.loads(path.read_bytes())
    except OSError as error:
        raise UnreadableBodyError(f"cannot read the file: {error.strerror} ({path})") from error
    except ValueError as error:
        raise UnreadableBodyError(f"not JSON: {error} ({path})") from error
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, list):
        raise UnreadableBodyError(f'no list "{name}" at the top level ({path})')
    return value
