"""``config``: the effective settings, and where each of them comes from."""

from typing import Any

import click

from discovery.cli import Frame, example, pass_frame
from discovery.cli.output import Table, emit, output_option


@click.command(epilog=example("config", "--config tailnet-discovery.yaml config -o json"))
@output_option("table", "json", "yaml")
@pass_frame
def config(frame: Frame, output: str) -> None:
    """Print the effective settings and where each comes from.

    The origin is "default", FILE:LINE, an environment variable or a flag. Secrets are masked.
    """
    rows = frame.loaded().rows()
    table = Table(
        ("KEY", "VALUE", "ORIGIN"), [(key, _text(value), origin) for key, value, origin in rows]
    )
    document = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
    emit(output, table, document)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "[]"
    return str(value) or '""'
