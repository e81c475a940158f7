"""A cluster: what ``run`` and ``sync`` work on where no folder takes its place."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import Final, Literal
from uuid import uuid4

from discovery.cli.passes import Outcome, sync_all
from discovery.cli.recording import open_recorder
from discovery.cli.tailnets import open_sources
from discovery.cli.where import Where
from discovery.clients.kube.access import Use, needed
from discovery.clients.kube.client import KubeClient
from discovery.clients.kube.connect import connect
from discovery.clients.kube.events import EventRecorder, Regarding
from discovery.clients.kube.lease import Elector, Timing
from discovery.clients.kube.resources import TAILSCALE_ENDPOINTS
from discovery.controller import Controller, check_rights
from discovery.manager import Manager
from discovery.metrics import Metrics
from discovery.plan.announcements import Announcement
from discovery.plan.trust import Freshness
from discovery.planner import Planner, Sources
from discovery.reconciler import Reconciler
from discovery.settings import Settings
from discovery.stores.cluster import ClusterStore, Resource, Tell
from discovery.v1alpha1 import Mode
from discovery.web.serving import serve

log = logging.getLogger(__name__)

LEASE: Final = "tailnet-discovery"
EVENTS_WITHIN: Final = timedelta(seconds=5)


async def run_in_cluster(settings: Settings, where: Where, inventories: Sequence[Path]) -> None:
    """Be one replica of the controller until SIGTERM or Ctrl-C. Raises LeadershipLostError."""
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    metrics = Metrics()
    for tailnet in settings.tailnets:
        if not tailnet.discovered:
            metrics.expect_tailnet(tailnet.name)
    async with (
        _replica(settings, where, metrics) as replica,
        open_sources(settings, inventories) as sources,
        open_recorder(settings) as recorder,
    ):
        planner = Planner(sources, settings.instance, settings.mode, recorder)
        planner.leads = replica.elector.is_alone
        reconciler = Reconciler(replica.store, planner)
        manager = Manager(
            replica.store,
            sources,
            reconciler,
            metrics=metrics,
            on_freshness=_telling_of_freshness(settings, replica),
        )
        controller = Controller(
            replica.client, replica.store, replica.elector, metrics, where.namespace
        )
        ready = {"caches": controller.ready}
        async with serve(settings.listen, metrics, controller.alive, ready) as served:
            log.info("listening", extra=served._asdict())
            use = Use.OBSERVE if settings.mode is Mode.OBSERVE else Use.RUN
            lease = lease_name(settings.instance)
            await check_rights(replica.client, needed(use), where.namespace, lease)
            await controller.run(manager, sources, stop, [replica.recorder.run()])


async def sync_in_cluster(
    settings: Settings, where: Where, inventories: Sequence[Path]
) -> tuple[Outcome, Sources] | str:
    """Make one pass as the leader; return what it came to, or who leads if that is another."""
    async with (
        _replica(settings, where, Metrics()) as replica,
        open_sources(settings, inventories) as sources,
        open_recorder(settings) as recorder,
    ):
        elector = replica.elector
        if not await elector.acquire(within=elector.timing.duration):
            return elector.holder
        holding = asyncio.create_task(elector.hold())
        try:
            await replica.store.load()
            planner = Planner(sources, settings.instance, settings.mode, recorder)
            planner.leads = elector.is_alone
            outcome = await sync_all(replica.store, planner, datetime.now(UTC))
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            await elector.release()
            # After many changes there are more events than an API server should be asked to take.
            with suppress(TimeoutError):
                async with asyncio.timeout(EVENTS_WITHIN.total_seconds()):
                    await replica.recorder.flush()
        return outcome, sources


@dataclass(frozen=True, slots=True)
class _Replica:
    """A process that may come to lead: how it reads, writes, and tells."""

    client: KubeClient
    store: ClusterStore
    elector: Elector
    recorder: EventRecorder


@asynccontextmanager
async def _replica(settings: Settings, where: Where, metrics: Metrics) -> AsyncIterator[_Replica]:
    name = settings.pod.name or gethostname()
    identity = f"{name}_{uuid4()}"
    async with connect(where.kubeconfig, where.context, on_request=metrics.requested) as client:
        recorder = EventRecorder(client, instance=name)
        metrics.follow_dropped_events(recorder.dropped)
        client.namespace = settings.pod.namespace  # whatever the context's is
        lease = lease_name(settings.instance)
        elector = Elector(client, client.namespace, lease, identity, Timing())
        store = ClusterStore(
            client,
            settings.instance,
            namespace=where.namespace,
            may_write=elector.valid,
            tell=_telling(recorder),
            metrics=metrics,
        )
        yield _Replica(client, store, elector, recorder)


def lease_name(instance: str) -> str:
    """Return the name of an instance's Lease."""
    return LEASE if instance == "default" else f"{LEASE}-{instance}"


def _telling(recorder: EventRecorder) -> Tell:
    def tell(resource: Resource, said: Announcement) -> None:
        regarding = Regarding(
            TAILSCALE_ENDPOINTS.api_version,
            TAILSCALE_ENDPOINTS.kind,
            resource.key.namespace,
            resource.key.name,
            resource.metadata.uid,
        )
        recorder.record(regarding, _kind(said.is_warning), said.reason, said.action, said.note)

    return tell


def _telling_of_freshness(
    settings: Settings, replica: _Replica
) -> Callable[[str, Freshness], None]:
    pod = Regarding("v1", "Pod", settings.pod.namespace, settings.pod.name, settings.pod.uid)

    def tell(_tailnet: str, fresh: Freshness) -> None:
        if settings.pod.name:
            kind = _kind(not fresh.fresh)
            replica.recorder.record(pod, kind, fresh.reason, "Poll", fresh.message)

    return tell


def _kind(is_warning: bool) -> Literal["Normal", "Warning"]:
    return "Warning" if is_warning else "Normal"
