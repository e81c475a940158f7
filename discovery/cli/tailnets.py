"""From settings to sources: what every command that reads a tailnet is composed of."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from discovery.clients.exchange import new_http
from discovery.clients.inventory import InventoryFile
from discovery.clients.retrying import Patience
from discovery.clients.tailscale import TailscaleClient
from discovery.plan.policy import GrantRule, RemovalRules, TailnetPolicy
from discovery.plan.trust import common_domain
from discovery.planner import Sources
from discovery.settings import (
    ConfigError,
    ControlPlane,
    Settings,
    TailnetSettings,
    problem,
    read_credentials,
)
from discovery.source import LONGEST_POLL, DeviceReader, Source
from tagselectors import TagGrammar

if TYPE_CHECKING:
    from discovery.questions import Ask

INVENTORY_INTERVAL = timedelta(seconds=60)


def policy_of(settings: Settings, tailnet: TailnetSettings) -> TailnetPolicy:
    """Return what the plan needs to know of a tailnet's configuration."""
    grants = tailnet.grants
    return TailnetPolicy(
        tailnet=tailnet.name,
        domains=tailnet.domains,
        denied=settings.denied_cidrs,
        grants=None
        if grants is None
        else tuple(GrantRule(grant.namespaces, grant.tags) for grant in grants),
        grammar=TagGrammar(tailnet.tag_keys),
        removal=RemovalRules(**tailnet.removal.model_dump()),
    )


@asynccontextmanager
async def open_sources(
    settings: Settings, inventories: Sequence[Path] = (), tailnet: str | None = None
) -> AsyncIterator[Sources]:
    """Open every configured tailnet, or the one named; inventory files take the API's place.

    Raises ConfigError where nothing is configured and no file is given.
    """
    if inventories:
        sources = [await _from_file(settings, path) for path in inventories]
        names = [source.policy.tailnet for source in sources]
        if len(set(names)) < len(names):
            what = f"two inventories are of {max(names, key=names.count) or 'no tailnet by name'}"
            raise ConfigError(problem(what, "--inventory", "Give one file for each tailnet."))
        yield Sources(sources)
        return
    chosen = settings.tailnets
    if tailnet is not None or not chosen:
        chosen = (settings.tailnet_named(tailnet),)
    async with AsyncExitStack() as stack:
        tls = httpx.create_ssl_context()
        yield Sources([await _from_settings(settings, one, stack, tls) for one in chosen])


async def _from_settings(
    settings: Settings, tailnet: TailnetSettings, stack: AsyncExitStack, tls: ssl.SSLContext
) -> Source:
    reader: DeviceReader
    ask: Ask | None = None
    match tailnet.control_plane:
        case ControlPlane.TAILSCALE:
            http = await stack.enter_async_context(new_http(tls))
            client = TailscaleClient(
                http,
                partial(read_credentials, tailnet),
                base_url=tailnet.base_url,
                tailnet=tailnet.tailnet,
                patience=Patience(min(tailnet.poll_interval / 2, LONGEST_POLL)),
            )
            reader, ask = client, client.device
        case ControlPlane.FILE:
            reader = InventoryFile(urlsplit(tailnet.base_url).path)
        case ControlPlane.HEADSCALE | ControlPlane.LOCAL_API:
            what = f"control plane {tailnet.control_plane} can not be read by this version"
            advice = "Use Tailscale (Headscale's Tailscale-compatible API has that form) or File."
            raise ConfigError(problem(what, f"tailnet {tailnet.name}", advice))
    return Source(policy_of(settings, tailnet), reader, tailnet.poll_interval, ask)


async def _from_file(settings: Settings, path: Path) -> Source:
    """Return the source that a file is: of the tailnet whose names its devices carry."""
    reader = InventoryFile(path)
    domain = common_domain((await reader.devices()).devices)
    known = next((t for t in settings.tailnets if domain in {t.name, *t.domains}), None)
    if known is not None:
        return Source(policy_of(settings, known), reader, known.poll_interval)
    domains = (domain,) if domain else ()
    policy = TailnetPolicy(domain or "", domains, settings.denied_cidrs)
    return Source(policy, reader, INVENTORY_INTERVAL)
