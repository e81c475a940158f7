"""Results on stdout, in the form that ``-o`` names.

JSON and YAML are the same bytes for the same document: keys are sorted, all text is ASCII with
escapes, nothing is coloured. A table is coloured on a terminal only, and never cut where it is not.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import click
import yaml

_GAP: Final = "   "
_FORMS: Final = ("table", "json", "yaml")
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, init=False)
class Table:
    """Headers in upper case and rows of text, as kubectl prints them."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __init__(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        object.__setattr__(self, "headers", tuple(headers))
        object.__setattr__(self, "rows", tuple(tuple(map(_visible, row)) for row in rows))


def output_option(*forms: str) -> Callable[[_Function], _Function]:
    """Return the ``-o`` option; ``forms`` are the command's, the first one is the default."""
    choices = forms or _FORMS
    return click.option(
        "-o",
        "--output",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="Form of the result.",
    )


def emit(form: str, table: Table, document: Any) -> None:
    """Write a result to stdout: ``document`` as json or yaml, ``table`` as markdown or table."""
    match form:
        case "json":
            write(as_json(document))
        case "yaml":
            write(as_yaml(document))
        case "markdown":
            write(as_markdown(table))
        case _:
            show(table)


def write(text: str) -> None:
    """Write finished text to stdout, which ends in its own line break."""
    click.echo(text, nl=False)


def as_json(document: Any) -> str:
    """Return a document as indented JSON."""
    import json  # noqa: PLC0415 - a table needs none

    return f"{json.dumps(document, indent=2, sort_keys=True, allow_nan=False)}\n"


def as_yaml(*documents: Any) -> str:
    """Return documents in block style, separated by ``---``, without aliases."""
    return yaml.dump_all(
        documents,
        Dumper=_dumper(),
        sort_keys=True,
        default_flow_style=False,
        explicit_start=len(documents) > 1,
        width=sys.maxsize,
    )


def as_text(table: Table) -> str:
    """Return a table as aligned columns, whatever their width."""
    lines = (table.headers, *table.rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        f"{_GAP.join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()}\n"
        for line in lines
    )


def as_markdown(table: Table) -> str:
    """Return a table for a pull request's comment."""
    lines = (table.headers, ("---",) * len(table.headers), *table.rows)
    return "".join(f"| {' | '.join(map(_for_markdown, line))} |\n" for line in lines)


def show(table: Table) -> None:
    """Write a table to stdout: folded to the terminal's width, or plain where it is none."""
    if not sys.stdout.isatty():
        write(as_text(table))
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, for terminals only
    from rich.table import Table as Grid  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=sys.stdout, highlight=False)
    style = "" if console.no_color else "bold"
    grid = Grid(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style=style)
    for header in table.headers:
        grid.add_column(header, overflow="fold")
    for row in table.rows:
        grid.add_row(*map(Text, row))
    console.print(grid)


def _visible(text: str) -> str:
    """Escape what a stranger's text could do to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _for_markdown(cell: str) -> str:
    return re.sub(r"([\\|`*_\[\]<>])", r"\\\1", cell) if cell != "---" else cell


@cache
def _dumper() -> type[yaml.SafeDumper]:
    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    Dumper.add_multi_representer(str, lambda dumper, text: dumper.represent_str(str(text)))
    # Kubernetes reads 1e3 and 0o17 as numbers, PyYAML as text: such text must be quoted.
    number = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+")
    Dumper.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(rf"^({number.pattern})$"), list("-+.0123456789")
    )
    return Dumper
