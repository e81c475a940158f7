"""``plan``: what a pass would do, without doing it."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from discovery.cli import Frame, example, options, pass_frame
from discovery.cli.errors import ExitCode
from discovery.cli.output import Table, emit, output_option
from discovery.cli.where import Where

if TYPE_CHECKING:
    from discovery.cli.passes import Outcome
    from discovery.plan.changes import Change
    from discovery.plan.passes import Pass

_ACTIONS = ("create", "update", "delete")


@click.command(
    epilog=example("plan -A", "plan -f my-resource.yaml", "plan -f manifests/ --out out/ -o json")
)
@options.cluster
@options.some_manifests
@options.current_state
@options.inventories
@click.option("--exit-code", is_flag=True, help="Exit 1 when there are changes.")
@output_option("table", "json", "yaml", "markdown")
@pass_frame
def plan(  # noqa: PLR0913 - one per option
    frame: Frame,
    where: Where,
    manifests: Sequence[Path],
    out: Path | None,
    inventories: Sequence[Path],
    output: str,
    *,
    exit_code: bool,
) -> ExitCode:
    """Show what a pass would do. Nothing is written.

    The resources are those of the cluster, in the context's namespace, in another (-n) or in all
    (-A); reading them is all that it takes. With -f they come from manifests, and what exists for
    them from the cluster, or from --out DIR.

    \b
    Exit codes:
      0  planned; with --exit-code: and there is nothing to do
      1  with --exit-code: there are changes
      3  manifests, configuration or the state in --out can not be used
      4  credentials refused, or a right is missing
      5  control plane or cluster not reachable, or a list not to be believed
      6  some resources could not be planned
    """  # noqa: D301 - click wants the character itself
    options.check_state(manifests, out, where)
    outcome = asyncio.run(_plan(frame, where, manifests, out, inventories))
    outcome.say_problems()
    if outcome.failures and not outcome.passes and not outcome.removals:
        return outcome.exit_code()
    for made in outcome.passes:
        if not made.writes:
            click.echo(f"{made.resource.key}: {made.observed.detail}", err=True)
    show_plan(outcome, output)
    if outcome.failures:
        return outcome.exit_code()
    return ExitCode.FOUND if exit_code and _changes(outcome) else ExitCode.DONE


def show_plan(outcome: "Outcome", form: str) -> None:
    """Write a plan to stdout in the form asked for."""
    changes = _changes(outcome)
    blocked = [made for made in outcome.passes if made.decision.held]
    emit(form, _table(changes), _document(changes, blocked, outcome.unchanged))
    if form in {"table", "markdown"}:
        counts = _counts(changes)
        listed = ", ".join(f"{counts[action]} to {action}" for action in _ACTIONS)
        held = sum(len(made.decision.held) for made in blocked)
        waits = f" {held} removals wait." if held else ""
        click.echo(f"\nPlan: {listed}, {outcome.unchanged} unchanged.{waits}")
        for made in blocked:
            click.echo(f"\n{made.resource.key}: {made.observed.blocked}")


async def _plan(
    frame: Frame,
    where: Where,
    manifests: Sequence[Path],
    out: Path | None,
    inventories: Sequence[Path],
) -> "Outcome":
    from discovery.cli.logs import configure  # noqa: PLC0415 - not for help
    from discovery.cli.passes import plan_all  # noqa: PLC0415
    from discovery.cli.tailnets import open_sources  # noqa: PLC0415
    from discovery.cli.view import open_view  # noqa: PLC0415
    from discovery.planner import Planner  # noqa: PLC0415

    settings = frame.settings()
    configure("error", settings.logging.format)
    async with (
        open_view(settings, where, manifests, out) as store,
        open_sources(settings, inventories) as sources,
    ):
        planner = Planner(sources, settings.instance, settings.mode)
        return await plan_all(store, planner, datetime.now(UTC))


def _changes(outcome: "Outcome") -> list["Change"]:
    """Return the writes of a pass in their order; a resource that only observes has none."""
    planned = [change for made in outcome.passes if made.writes for change in made.changes]
    return planned + outcome.removals


def _table(changes: Iterable["Change"]) -> Table:
    return Table(
        ("ACTION", "KIND", "NAMESPACE", "NAME", "REASON"),
        [(c.action, c.kind, c.namespace, c.name, c.reason) for c in changes],
    )


def _counts(changes: Sequence["Change"]) -> dict[str, int]:
    return {action: sum(change.action == action for change in changes) for action in _ACTIONS}


def _document(
    changes: Sequence["Change"], blocked: Sequence["Pass"], unchanged: int
) -> dict[str, Any]:
    held = sum(len(made.decision.held) for made in blocked)
    return {
        "changes": [
            {
                "action": str(change.action),
                "kind": change.kind,
                "namespace": change.namespace,
                "name": change.name,
                "reason": change.reason,
                "before": change.before,
                "after": change.after,
            }
            for change in changes
        ],
        "blocked": [_held(made) for made in blocked],
        "summary": {**_counts(changes), "unchanged": unchanged, "blocked": held},
    }


def _held(made: "Pass") -> dict[str, Any]:
    """Return what the guard holds of a resource, and why."""
    decision = made.decision
    return {
        "namespace": made.resource.key.namespace,
        "name": made.resource.key.name,
        "plan": decision.memory.plan if decision.memory else "",
        "reason": str(decision.hold),
        "message": made.observed.blocked,
        "remove": [
            {"name": loss.name, "nodeId": loss.node_id, "cause": str(loss.cause), "waitsFor": hold}
            for loss, hold in sorted(decision.held.items())
        ],
    }
