"""What a command that only reads looks at: a cluster, manifests, or manifests over a cluster."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from discovery.cli.standalone import open_store
from discovery.cli.where import Where
from discovery.clients.errors import APIError
from discovery.clients.retrying import Patience
from discovery.settings import ConfigError, Settings
from discovery.stores import Store

if TYPE_CHECKING:
    from discovery.stores.directory import DirectoryStore

_LEFTOVER: Final = timedelta(seconds=5)
"""How long a cluster is waited for that nobody named: its kubeconfig may be a leftover."""


@asynccontextmanager
async def open_view(
    settings: Settings, where: Where, manifests: Sequence[Path], out: Path | None
) -> AsyncIterator[Store]:
    """Give what is to be looked at.

    Without manifests that is the cluster. With them, resources are theirs; what exists for them is
    in ``out``, else in the cluster. Where that can not be read and nobody named it, nothing exists,
    which is said on stderr. Raises ConfigError and APIError.
    """
    async with AsyncExitStack() as stack:
        if not manifests:
            yield await stack.enter_async_context(_cluster(settings, where))
            return
        store = open_store(manifests, out)
        if out is not None:
            yield store
            return
        try:
            view: Store = await stack.enter_async_context(_cluster(settings, where, store))
        except (APIError, ConfigError) as error:
            if where.is_named:
                raise
            missing = f" and no cluster, {error}" if isinstance(error, APIError) else ""
            click.echo(f"no --out{missing}: planned as if nothing existed yet", err=True)
            view = store
        yield view


@asynccontextmanager
async def _cluster(
    settings: Settings, where: Where, manifests: "DirectoryStore | None" = None
) -> AsyncIterator[Store]:
    """Read a cluster once; with manifests, what exists for their resources."""
    from discovery.clients.kube.connect import connect  # noqa: PLC0415 - slow to import
    from discovery.stores.cluster import ClusterStore  # noqa: PLC0415
    from discovery.stores.overlay import ManifestsOverCluster  # noqa: PLC0415

    patience = None if where.is_named or manifests is None else Patience(_LEFTOVER)
    async with connect(where.kubeconfig, where.context, patience=patience) as client:
        if manifests is None:
            namespace = where.namespace_like_kubectl(client.namespace)
            store = ClusterStore(client, settings.instance, namespace=namespace)
        else:
            store = ManifestsOverCluster(client, settings.instance, manifests)
        await store.load()
        yield store
