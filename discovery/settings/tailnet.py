"""The settings of one tailnet: how it is read, who may use it, and how removals are guarded."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from discovery.durations import parse_duration
from discovery.settings.fields import (
    BaseURL,
    Domain,
    NamespacePattern,
    PollInterval,
    SmallNumber,
    TagKey,
    TagPattern,
    TailnetName,
    refused,
    split_url,
)
from discovery.settings.section import Section
from discovery.v1alpha1_fields import RemovalPolicy

TAILSCALE_URL: Final = "https://api.tailscale.com"
TAILSCALED_SOCKET: Final = "unix:///var/run/tailscale/tailscaled.sock"


class ControlPlane(StrEnum):
    """What answers the question "which devices are there"."""

    TAILSCALE = "Tailscale"
    HEADSCALE = "Headscale"
    LOCAL_API = "LocalAPI"
    FILE = "File"

    @property
    def schemes(self) -> tuple[str, ...]:
        """The URL schemes that a base URL of this control plane may have."""
        match self:
            case ControlPlane.TAILSCALE | ControlPlane.HEADSCALE:
                return ("https", "http")
            case ControlPlane.LOCAL_API:
                return ("unix",)
            case ControlPlane.FILE:
                return ("file",)


_COMPLETE: Final[tuple[set[str], ...]] = (
    set(),
    {"directory"},
    {"api_key"},
    {"client_id", "client_secret"},
    {"client_id", "jwt_file"},
)
_HALF: Final[tuple[set[str], ...]] = ({"client_id"}, {"client_secret"}, {"jwt_file"})


class CredentialSettings(Section):
    """Where a tailnet's credentials come from; at most one way may be configured.

    Only ``directory`` may stand in a file: the others come from the environment.
    """

    directory: Path | None = Field(
        None,
        description="Folder with the files `client_id` and `client_secret`, or `api_key`, or "
        "`client_id` and `jwt` (workload identity). Read at each use, so that they can be rotated.",
    )
    api_key: SecretStr | None = Field(None, description="An API access token.")
    client_id: str | None = Field(None, alias="clientID", description="Of an OAuth client.")
    client_secret: SecretStr | None = Field(None, description="Of the OAuth client.")
    jwt_file: Path | None = Field(
        None, description="File with the platform's token (workload identity, with a client ID)."
    )

    @model_validator(mode="after")
    def _one_way_complete(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if set(given) in _COMPLETE:
            return self
        lacks = {"client_id": "client_secret"}.get(given[0], "client_id")
        raise PydanticCustomError(
            "half_credentials" if set(given) in _HALF else "mixed_credentials",
            "{given} can not stand alone or together",
            {"given": given, "lacks": lacks},
        )


class Grant(Section):
    """One thing that is granted; a `*` is allowed at the end only."""

    namespaces: tuple[NamespacePattern, ...] = Field(
        (), min_length=1, description="Namespaces that may use the tailnet; left out: every one."
    )
    tags: tuple[TagPattern, ...] = Field(
        (), min_length=1, description="Tags, one of which a device must carry; left out: any."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.namespaces and not self.tags:
            raise refused("grants everything", "Write namespaces, tags, or both.")
        return self


class RemovalSettings(Section):
    """When endpoints may be removed; a resource's own `discovery.removal` wins."""

    policy: RemovalPolicy = Field(
        RemovalPolicy.CONFIRM,
        description="What a removal over the budget waits for. Confirm: `confirmations` lists. "
        "Approve: `tailnet-discovery approve`. Unguarded: there is no budget.",
    )
    max_percent: SmallNumber = Field(
        30,
        description="Budget of a resource, in percent of its endpoints (at least 3).",
    )
    confirmations: SmallNumber = Field(
        3, description="Lists a device must miss, one per interval, before a larger removal."
    )
    tailnet_max_percent: SmallNumber = Field(
        50,
        description="A larger loss, in percent of a tailnet's tagged devices, needs every "
        "missing device's own 404.",
    )
    tailnet_min_devices: SmallNumber = Field(
        5, description="A loss of fewer devices is never a loss of the tailnet."
    )


def _default_url(known: Mapping[str, Any]) -> str:
    match known.get("control_plane"):
        case ControlPlane.TAILSCALE:
            return TAILSCALE_URL
        case ControlPlane.LOCAL_API:
            return TAILSCALED_SOCKET
        case _:
            return ""


def _default_domains(known: Mapping[str, Any]) -> tuple[str, ...]:
    return (known["name"],) if known.get("name") else ()


class TailnetSettings(Section):
    """One tailnet and how it is read."""

    name: TailnetName = Field(description="What `spec.tailnet` of a resource says.")
    control_plane: ControlPlane = Field(
        ControlPlane.TAILSCALE, description="What answers for the tailnet."
    )
    base_url: BaseURL = Field(
        default_factory=_default_url,
        alias="baseURL",
        description=f"Default: `{TAILSCALE_URL}` for Tailscale, `{TAILSCALED_SOCKET}` for "
        "LocalAPI. Headscale needs one, and so does File (`file:///PATH/devices.json`).",
    )
    tailnet: str = Field(
        "-", pattern=r"^[^/\s?#]+$", description="The tailnet in the API's paths; `-` is the key's."
    )
    domains: tuple[Domain, ...] = Field(
        default_factory=_default_domains,
        description="Domains of the devices' names: old and new while a tailnet is renamed. "
        "Default: the name.",
    )
    credentials: CredentialSettings = CredentialSettings()
    poll_interval: PollInterval = Field(
        parse_duration("60s"), description="Time between two device lists, from 1s to 1h."
    )
    tag_keys: tuple[TagKey, ...] = Field(
        (), description="Declared tag keys: of several that fit a tag the longest wins."
    )
    grants: tuple[Grant, ...] | None = Field(
        None, description="Left out: every namespace, every tag. `[]` grants nothing."
    )
    removal: RemovalSettings = RemovalSettings()

    @property
    def discovered(self) -> bool:
        """Whether name and domains are to be learned from the first device list."""
        return not self.name

    @model_validator(mode="after")
    def _base_url_fits(self) -> Self:
        plane = self.control_plane
        if not self.base_url:
            example = "file:///etc/devices.json" if plane is ControlPlane.FILE else "https://HOST"
            raise refused(f"has no baseURL, which {plane} needs", f"Write one such as {example}.")
        parts = split_url(self.base_url)
        if parts is None or parts.scheme not in plane.schemes:
            raise refused(
                f"has a baseURL that {plane} can not have",
                f"Begin it with {' or '.join(f'{scheme}://' for scheme in plane.schemes)}.",
            )
        if plane.schemes == ("https", "http") and not parts.hostname:
            raise refused("has a baseURL without a host", "Write one such as https://HOST.")
        if parts.scheme in {"unix", "file"} and (parts.netloc or not parts.path.startswith("/")):
            raise refused("has a baseURL without a path", f"Write {parts.scheme}:///PATH.")
        return self
