"""A sign of life while a control plane answers: on a terminal, and nowhere else."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def reading(tailnet: str) -> Iterator[None]:
    """Show on stderr that the devices are being read; not with ``-o json|yaml`` or NO_COLOR."""
    context = click.get_current_context(silent=True)
    form = context.params.get("output") if context else None
    if not sys.stderr.isatty() or form in {"json", "yaml"}:
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, for terminals only

    console = Console(stderr=True)
    if console.no_color:
        yield
        return
    with console.status(f"Reading the devices of {tailnet or 'the tailnet'}"):
        yield
