"""Options that several commands have, each spelled once."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from discovery.cli.where import Where

_ANY_PATH: Final = click.Path(path_type=Path)
_FOLDER: Final = click.Path(path_type=Path, file_okay=False)

inventories: Final = click.option(
    "--inventory",
    "inventories",
    multiple=True,
    type=_ANY_PATH,
    metavar="FILE",
    help="Read devices from the API's JSON body in a file (- for stdin). Repeatable.",
)
tailnet: Final = click.option(
    "--tailnet", metavar="NAME", help="The tailnet, where several are configured."
)
manifests: Final = click.option(
    "-f",
    "--filename",
    "manifests",
    required=True,
    multiple=True,
    type=_ANY_PATH,
    metavar="FILE|DIR",
    help="Manifests: a file, a folder with all below it, or - for standard input. Repeatable.",
)
some_manifests: Final = click.option(
    "-f",
    "--filename",
    "manifests",
    multiple=True,
    type=_ANY_PATH,
    metavar="FILE|DIR",
    help="Take the resources from manifests instead of the cluster. Repeatable.",
)
current_state: Final = click.option(
    "--out",
    type=_FOLDER,
    metavar="DIR",
    help="With -f: the current state, as sync --standalone writes it.",
)
standalone: Final = click.option(
    "--standalone",
    "manifests",
    type=_ANY_PATH,
    metavar="DIR",
    help="Take the resources from manifests in a folder instead of a cluster; needs --out.",
)
out: Final = click.option(
    "--out", type=_FOLDER, metavar="DIR", help="With --standalone: the folder to write to."
)


def cluster(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that kubectl has for choosing a cluster and a namespace, as one Where."""

    @wraps(command)
    def called(
        *args: Any,
        kubeconfig: Path | None,
        context: str | None,
        namespace: str | None,
        all_namespaces: bool,
        **kwargs: Any,
    ) -> Any:
        if namespace is not None and all_namespaces:
            raise click.UsageError("--namespace and --all-namespaces exclude each other.")
        where = Where(kubeconfig, context, namespace, all_namespaces)
        return command(*args, where=where, **kwargs)

    file = click.Path(dir_okay=False, path_type=Path)
    for option in (
        click.option("-A", "--all-namespaces", is_flag=True, help="Every namespace."),
        click.option("-n", "--namespace", metavar="NAME", help="One namespace."),
        click.option("--context", metavar="NAME", help="The context of the kubeconfig."),
        click.option("--kubeconfig", type=file, help="The cluster's kubeconfig file."),
    ):
        called = option(called)
    return called


def folders(manifests: Path | None, out: Path | None, where: Where) -> tuple[Path, Path] | None:
    """Return the two folders of --standalone; None where a cluster is meant."""
    if manifests is None and out is None:
        return None
    if manifests is None or out is None:
        raise click.UsageError("--standalone and --out need each other.")
    if where.is_named:
        raise click.UsageError("--standalone has no cluster, context or namespace.")
    return manifests, out


def check_state(manifests: Sequence[Path], out: Path | None, where: Where) -> None:
    """Refuse combinations that mean nothing: a state without manifests, or two states."""
    if out is not None and not manifests:
        raise click.UsageError("--out is the state of manifests: name them with -f.")
    if out is not None and where.is_named:
        raise click.UsageError("--out and a cluster are two states: name one.")
