"""``doctor``: what hinders this place from doing its work, and what to do about it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import ExitCode
from discovery.cli.output import Table, emit, output_option
from discovery.cli.progress import reading
from discovery.cli.where import Where

if TYPE_CHECKING:
    from discovery.clients.kube.client import KubeClient
    from discovery.diagnosis.check import Check
    from discovery.planner import Sources
    from discovery.settings import Settings


@click.command(epilog=example("doctor", "doctor --no-cluster -o json"))
@options.cluster
@click.option("--no-cluster", is_flag=True, help="Look at tailnets and routes only.")
@options.tailnet
@options.inventories
@output_option("table", "json")
@pass_frame
def doctor(
    frame: Frame,
    where: Where,
    tailnet: str | None,
    inventories: Sequence[Path],
    output: str,
    *,
    no_cluster: bool,
) -> ExitCode:
    """Check the configuration, the tailnets, the cluster and the route between them.

    It speaks for the place where it runs: a laptop may have a route that pods have not, and other
    rights. helm test runs it with the controller's own account. Nothing is written; up to three
    machines of the tailnet are asked for a TCP connection.

    \b
    Exit codes:
      0  all is well, or there are warnings only
      1  something failed
      3  the configuration can not be used, so that nothing was checked
    """  # noqa: D301 - click wants the character itself
    if no_cluster and where.is_named:
        raise click.UsageError("--no-cluster excludes the options that choose a cluster.")
    checks = asyncio.run(_check(frame, where if not no_cluster else None, tailnet, inventories))
    emit(output, _table(checks), _document(checks))
    return ExitCode.FOUND if any(c.result == "failed" for c in checks) else ExitCode.DONE


async def _check(
    frame: Frame, where: Where | None, tailnet: str | None, inventories: Sequence[Path]
) -> "list[Check]":
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415
    from discovery.diagnosis import routes  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    checks = [_configuration(frame, settings)]
    async with open_sources(settings, inventories, tailnet) as sources:
        checks += await _check_tailnets(settings, sources, from_files=bool(inventories))
        found, slices = await _check_cluster(settings, where)
        checks += found
        checks.append(_place())
        chosen = routes.targets(sources, slices)
        checks.append(await routes.check_route(chosen, routes.connect))
        checks.append(await routes.check_names(sources, routes.resolve))
    return checks


def _configuration(frame: Frame, settings: "Settings") -> "Check":
    from discovery.diagnosis.check import Check, Result  # noqa: PLC0415

    origin = frame.config or "environment and defaults"
    names = ", ".join(one.name or "one without a name yet" for one in settings.tailnets) or "none"
    text = f"{origin}; instance {settings.instance}, tailnets: {names}"
    return Check("configuration", Result.OK, text)


def _place() -> "Check":
    from discovery.diagnosis.check import Check, Result  # noqa: PLC0415

    return Check("place", Result.OK, f"what follows speaks for {gethostname()}, and no other place")


async def _check_tailnets(
    settings: "Settings", sources: "Sources", *, from_files: bool
) -> "list[Check]":
    from discovery.diagnosis.tailnets import check_tailnet  # noqa: PLC0415

    checks: list[Check] = []
    for source in sources:
        name = source.policy.tailnet
        configured = None if from_files else settings.tailnet_named(name or None)
        with reading(name):
            checks += await check_tailnet(source, configured, datetime.now(UTC))
    return checks


async def _check_cluster(
    settings: "Settings", where: Where | None
) -> "tuple[list[Check], Sequence[Mapping[str, Any]]]":
    """Return the checks of the cluster, and the controller's EndpointSlices there."""
    from discovery.cli.cluster import lease_name  # noqa: PLC0415
    from discovery.clients.kube.access import Use, needed  # noqa: PLC0415
    from discovery.clients.kube.connect import connect  # noqa: PLC0415
    from discovery.clients.retrying import Patience  # noqa: PLC0415
    from discovery.diagnosis.check import Check, Result  # noqa: PLC0415
    from discovery.diagnosis.cluster import CHECKS, Installation, check_cluster  # noqa: PLC0415
    from discovery.settings import ConfigError  # noqa: PLC0415
    from discovery.v1alpha1 import Mode  # noqa: PLC0415

    if where is None:
        return [Check(name, Result.SKIPPED, "--no-cluster") for name in CHECKS], ()
    patience = Patience(timedelta(seconds=10))
    try:
        async with connect(where.kubeconfig, where.context, patience=patience) as client:
            client.namespace = settings.pod.namespace
            use = Use.OBSERVE if settings.mode is Mode.OBSERVE else Use.RUN
            wanted = Installation(
                lease_name(settings.instance), where.namespace, needed(use), settings.denied_cidrs
            )
            checks = await check_cluster(client, wanted)
            return checks, await _slices(client, settings.instance, where.namespace)
    except ConfigError as error:
        # Without a word about a cluster it may be that none is meant.
        result = Result.FAILED if where.is_named else Result.SKIPPED
        first = Check(CHECKS[0], result, str(error))
        return [first, *(Check(n, Result.SKIPPED, "there is no cluster") for n in CHECKS[1:])], ()


async def _slices(
    client: "KubeClient", instance: str, namespace: str | None
) -> Sequence[Mapping[str, Any]]:
    """Return the instance's EndpointSlices; none where they can not be read, as said before."""
    from discovery.clients.errors import APIError  # noqa: PLC0415
    from discovery.clients.kube.resources import ENDPOINT_SLICES  # noqa: PLC0415
    from discovery.plan.owner import INSTANCE_LABEL  # noqa: PLC0415

    try:
        labels = f"{INSTANCE_LABEL}={instance}"
        return (await client.list(ENDPOINT_SLICES, namespace, labels=labels))[0]
    except APIError:
        return ()


def _table(checks: "Sequence[Check]") -> Table:
    rows = [
        (f"{check.name} {check.tailnet}".strip(), str(check.result), check.detail)
        for check in checks
    ]
    return Table(("CHECK", "RESULT", "DETAIL"), rows)


def _document(checks: "Sequence[Check]") -> dict[str, Any]:
    results = [str(check.result) for check in checks]
    return {
        "place": gethostname(),
        "checks": [
            {
                "check": check.name,
                "tailnet": check.tailnet or None,
                "result": str(check.result),
                "detail": check.detail,
            }
            for check in checks
        ],
        "summary": {r: results.count(r) for r in ("ok", "warning", "failed", "skipped")},
    }
