"""Credentials as values that show themselves nowhere, and the one place where they are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from discovery.settings.errors import ConfigError, problem
from discovery.settings.tailnet import TailnetSettings

_LARGEST_FILE: Final = 64 * 1024  # bytes; a token has some kilobytes at most
_WAYS: Final = "client_id and client_secret, or api_key, or client_id and jwt"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API access token."""

    key: SecretStr


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An OAuth client, to be exchanged for access tokens."""

    client_id: str
    client_secret: SecretStr


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """A federated identity. The file is read for each exchange: the platform replaces it."""

    client_id: str
    jwt_file: Path


Credentials = ApiKey | OAuthClient | WorkloadIdentity


def read_credentials(tailnet: TailnetSettings) -> Credentials:
    """Return the tailnet's credentials as they are now; call it at each use, for rotation.

    Raises ConfigError where there are none, or more than one kind, or a file can not be read.
    """
    settings = tailnet.credentials
    if settings.directory is not None:
        return _from_directory(settings.directory)
    if settings.api_key is not None:
        return ApiKey(settings.api_key)
    if settings.client_id is not None and settings.client_secret is not None:
        return OAuthClient(settings.client_id, settings.client_secret)
    if settings.client_id is not None and settings.jwt_file is not None:
        return WorkloadIdentity(settings.client_id, settings.jwt_file)
    raise ConfigError(
        problem(
            "the tailnet has no credentials",
            tailnet.name or "tailnets[0]",
            "Set TS_API_CLIENT_ID and TS_API_CLIENT_SECRET, or TS_API_KEY, or name a directory "
            "under credentials.",
        )
    )


def _from_directory(directory: Path) -> Credentials:
    if not directory.is_dir():
        advice = f"Mount a Secret there that holds {_WAYS}."
        raise ConfigError(problem("there is no such folder", str(directory), advice))
    names = ("api_key", "client_id", "client_secret", "jwt")
    present = tuple(name for name in names if (directory / name).exists())
    match present:
        case ("api_key",):
            return ApiKey(SecretStr(_content(directory / "api_key")))
        case ("client_id", "client_secret"):
            secret = SecretStr(_content(directory / "client_secret"))
            return OAuthClient(_content(directory / "client_id"), secret)
        case ("client_id", "jwt"):
            return WorkloadIdentity(_content(directory / "client_id"), directory / "jwt")
        case _:
            held = " and ".join(present) or "none of the files"
            what = f"the credentials folder holds {held}"
            raise ConfigError(problem(what, str(directory), f"Put {_WAYS} there, nothing else."))


def _content(path: Path) -> str:
    """Read a file that holds one credential, without the line break that editors append."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1).decode("ascii").strip()
    except OSError as exc:
        what = f"the credential can not be read: {exc.strerror}"
        advice = "Make the file readable for the user that runs this program."
        raise ConfigError(problem(what, str(path), advice)) from exc
    except UnicodeDecodeError:
        text = "\0"  # said below, without the exception, which quotes the content
    if not text:
        raise ConfigError(problem("the credential is empty", str(path), "Write it into the file."))
    if not text.isprintable() or " " in text or len(text) > _LARGEST_FILE:
        what = "the file holds more than one credential, or none"
        raise ConfigError(problem(what, str(path), "Write the bare credential into it."))
    return text
