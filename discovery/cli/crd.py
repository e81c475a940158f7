"""``crd``: the CustomResourceDefinition of TailscaleEndpoints, and its reference for people."""

import click

from discovery.cli import example
from discovery.cli.output import as_json, output_option, write


@click.command(epilog=example("crd | kubectl apply --server-side -f -", "crd -o markdown"))
@output_option("yaml", "json", "markdown")
def crd(output: str) -> None:
    """Print the CustomResourceDefinition.

    With -o markdown, print the reference of its fields instead.
    """
    from discovery import crd as generated  # noqa: PLC0415 - slow to import, and help needs none
    from discovery.crd_reference import reference  # noqa: PLC0415

    match output:
        case "json":
            write(as_json(generated.crd()))
        case "markdown":
            write(reference())
        case _:
            write(generated.crd_yaml())
