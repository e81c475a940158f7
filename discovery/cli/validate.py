"""``validate``: every error and warning in manifests, with its place."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from discovery.cli import example
from discovery.cli.errors import ExitCode
from discovery.cli.output import as_json, output_option, write

if TYPE_CHECKING:
    from discovery.manifests import Loaded, Problem


@click.command(
    epilog=example(
        "validate -f my-resource.yaml",
        "validate -f manifests/ -o json",
        "validate -f - < my-resource.yaml",
    )
)
@click.option(
    "-f",
    "--filename",
    "paths",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Manifests: a file, a folder with all below it, or - for standard input. Repeatable.",
)
@output_option("text", "json")
def validate(paths: Sequence[Path], output: str) -> ExitCode:
    """Check manifests and name every error.

    Prints one line for each error and each warning: file, line, field, and what to do. Objects of
    other kinds are ignored. The rules are those of the cluster; only what depends on the object
    that is there already (spec.tailnet must not change) is not checked.

    \b
    Exit codes:
      0  everything is valid, warnings or not
      1  there are errors
      2  wrong usage
      3  a file or folder could not be read, or a folder holds no manifests
    """  # noqa: D301 - click wants the backspace itself
    from discovery.manifests import load  # noqa: PLC0415 - slow to import, and help needs none

    loaded = load(paths)
    if output == "json":
        write(as_json(_document(loaded)))
    else:
        write("".join(f"{problem}\n" for problem in loaded.problems))
        write(f"{_summary(loaded)}\n")
    if any(problem.unreadable for problem in loaded.problems):
        return ExitCode.CONFIGURATION
    return ExitCode.FOUND if _errors(loaded) else ExitCode.DONE


def _document(loaded: "Loaded") -> dict[str, Any]:
    return {
        "problems": [_problem(problem) for problem in loaded.problems],
        "summary": {
            "valid": len(loaded.resources),
            "errors": _errors(loaded),
            "warnings": len(loaded.problems) - _errors(loaded),
            "ignored": loaded.ignored,
        },
    }


def _problem(problem: "Problem") -> dict[str, Any]:
    return {
        "severity": str(problem.severity),
        "file": problem.path,
        "document": problem.document,
        "line": problem.line,
        "resource": problem.resource,
        "field": problem.field,
        "message": problem.message,
    }


def _summary(loaded: "Loaded") -> str:
    errors = _errors(loaded)
    counts = (
        (errors, "error", "errors"),
        (len(loaded.problems) - errors, "warning", "warnings"),
        (loaded.ignored, "other document ignored", "other documents ignored"),
    )
    more = (f", {count} {one if count == 1 else many}" for count, one, many in counts if count)
    valid = len(loaded.resources)
    return f"{valid} {'resource' if valid == 1 else 'resources'} valid{''.join(more)}"


def _errors(loaded: "Loaded") -> int:
    return sum(problem.is_error for problem in loaded.problems)
