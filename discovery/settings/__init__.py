"""The settings: flags, environment and configuration file become one frozen value.

No other part of the program reads the environment. Start with :mod:`~discovery.settings.model`
(what can be configured) and :mod:`~discovery.settings.loading` (where it comes from).
"""

from discovery.settings.credentials import (
    ApiKey,
    Credentials,
    OAuthClient,
    WorkloadIdentity,
    read_credentials,
)
from discovery.settings.errors import ConfigError, problem
from discovery.settings.fields import ListenAddress
from discovery.settings.loading import Loaded, load
from discovery.settings.model import ListenSettings, LogFormat, LoggingSettings, LogLevel, Settings
from discovery.settings.recorder import RecorderSettings, state_folder
from discovery.settings.tailnet import (
    ControlPlane,
    CredentialSettings,
    Grant,
    RemovalSettings,
    TailnetSettings,
)
from discovery.settings.tree import Override

__all__ = [
    "ApiKey",
    "ConfigError",
    "ControlPlane",
    "CredentialSettings",
    "Credentials",
    "Grant",
    "ListenAddress",
    "ListenSettings",
    "Loaded",
    "LogFormat",
    "LogLevel",
    "LoggingSettings",
    "OAuthClient",
    "Override",
    "RecorderSettings",
    "RemovalSettings",
    "Settings",
    "TailnetSettings",
    "WorkloadIdentity",
    "load",
    "problem",
    "read_credentials",
    "state_folder",
]
