"""Options that several commands have, each spelled once."""

from pathlib import Path
from typing import Final

import click

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
current_state: Final = click.option(
    "--out",
    type=_FOLDER,
    metavar="DIR",
    help="The current state, as sync and run write it. Without it, nothing exists yet.",
)
standalone: Final = click.option(
    "--standalone",
    "manifests",
    type=_ANY_PATH,
    required=True,
    metavar="DIR",
    help="Take the resources from manifests in a folder instead of a cluster.",
)
out: Final = click.option(
    "--out", type=_FOLDER, required=True, metavar="DIR", help="Folder to write to."
)
