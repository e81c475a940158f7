"""The settings as frozen values. Keys are camelCase in files, attributes are snake_case.

The field descriptions are the reference that users read: ``docs/reference/configuration.md`` is
written from them.
"""

from collections import Counter
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from discovery.settings.errors import ConfigError, problem
from discovery.settings.fields import InstanceName, Listen, ListenAddress, Network, refused
from discovery.settings.recorder import RecorderSettings
from discovery.settings.section import Section
from discovery.settings.tailnet import TailnetSettings
from discovery.v1alpha1_fields import Mode


class LogLevel(StrEnum):
    """The least severe messages that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """Lines for people, or one JSON object per line."""

    CONSOLE = "console"
    JSON = "json"


class LoggingSettings(Section):
    """What the program says on stderr."""

    level: LogLevel = Field(LogLevel.INFO, description="The least severe messages written.")
    format: LogFormat = Field(LogFormat.JSON, description="Lines for people, or JSON lines.")


class ListenSettings(Section):
    """Where `run` listens in a cluster, as `HOST:PORT`; without a host on every address."""

    health: Listen = Field(
        ListenAddress("", 8080), description="`/healthz` and `/readyz`, for the kubelet."
    )
    metrics: Listen = Field(
        ListenAddress("", 9090),
        description="`/metrics`, for Prometheus; it may be the same address as `health`.",
    )


class PodSettings(Section):
    """The pod that `run` is; the chart sets it by the downward API."""

    name: str = Field("", description="Its name, for events about the controller itself.")
    uid: str = Field("", description="Its uid.")
    namespace: str = Field(
        "tailnet-discovery",
        min_length=1,
        description="Namespace of the installation: of its Lease, and of events about the "
        "controller. Whoever runs `run` or `sync` elsewhere names the same one.",
    )


class Settings(Section):
    """Everything that can be configured; all of it is optional."""

    instance: InstanceName = Field(
        "default", description="Two installations in one cluster have two names."
    )
    mode: Mode = Field(
        Mode.ENFORCE, description="`Observe` polls, guards and reports, and writes nothing else."
    )
    logging: LoggingSettings = LoggingSettings()
    listen: ListenSettings = ListenSettings()
    pod: PodSettings = PodSettings()
    recorder: RecorderSettings = RecorderSettings()
    denied_cidrs: tuple[Network, ...] = Field(
        (),
        alias="deniedCIDRs",
        description="Pod, Service and node ranges, where they overlap 100.64.0.0/10.",
    )
    tailnets: tuple[TailnetSettings, ...] = ()

    def tailnet_named(self, name: str | None) -> TailnetSettings:
        """Return the tailnet of this name or domain; None stands for the only one.

        Raises ConfigError where there is none, or more than one to choose from.
        """
        names = ", ".join(tailnet.name for tailnet in self.tailnets)
        if not self.tailnets:
            advice = "Set TS_API_CLIENT_ID and TS_API_CLIENT_SECRET, or name a file with --config."
            raise ConfigError(problem("no tailnet is configured", "tailnets", advice))
        if name is None and len(self.tailnets) > 1:
            advice = f"Choose one with --tailnet: {names}."
            raise ConfigError(problem("several tailnets are configured", "tailnets", advice))
        for tailnet in self.tailnets:
            if name is None or tailnet.discovered or name in {tailnet.name, *tailnet.domains}:
                return tailnet
        what = f"the tailnet {name} is not configured"
        raise ConfigError(problem(what, "--tailnet", f"Configured: {names}."))

    @model_validator(mode="after")
    def _tailnets_are_apart(self) -> Self:
        names = Counter(tailnet.name for tailnet in self.tailnets)
        for name, count in names.items():
            if count > 1:
                raise refused(
                    f"tailnets has {name or 'one without a name'} {count} times",
                    "Give every tailnet a name of its own.",
                )
        owners = Counter(d for tailnet in self.tailnets for d in set(tailnet.domains))
        for domain, count in sorted(owners.items()):
            if count > 1:
                raise refused(
                    f"tailnets has the domain {domain} in {count} tailnets",
                    "A device's name must say which tailnet it belongs to.",
                )
        return self
