"""``support-bundle``: what the recorder has kept, in one file."""

import sys
from pathlib import Path

import click

from discovery.cli import Frame, example, pass_frame
from discovery.cli.errors import CommandError

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(
    "support-bundle",
    epilog=example(
        "support-bundle",
        "support-bundle --out out/ -o why.tar.gz",
        "support-bundle -o - > why.tar.gz",
    ),
)
@click.option("--out", type=_FOLDER, metavar="DIR", help="The output folder of --standalone.")
@click.option(
    "-o",
    "--output",
    type=_FILE,
    default="tailnet-discovery-support.tar.gz",
    show_default=True,
    metavar="FILE",
    help="The bundle; - for stdout.",
)
@pass_frame
def support_bundle(frame: Frame, out: Path | None, output: Path) -> None:
    """Write what the recorder has kept into one file, for replay.

    In it are device lists, decisions with their inputs, and the effective settings. Names,
    addresses and tags are in it; credentials and the values of probe headers are not. From a pod:

    \b
      kubectl exec deploy/NAME -- tailnet-discovery support-bundle -o - > why.tar.gz
    """  # noqa: D301 - click wants the character itself
    from discovery import __version__  # noqa: PLC0415 - not for help
    from discovery.cli.recording import ring_folder  # noqa: PLC0415
    from discovery.recorder.bundle import pack  # noqa: PLC0415
    from discovery.recorder.ring import segments  # noqa: PLC0415

    loaded = frame.loaded()
    folder = ring_folder(loaded.settings, out)
    if not segments(folder):
        advice = (
            "run and sync record there: with --standalone name its --out, or recorder.directory."
        )
        raise CommandError("nothing is recorded there", str(folder), advice)
    settings = [{"key": key, "value": value, "origin": o} for key, value, o in loaded.rows()]
    content = pack(folder, __version__, settings)
    if str(output) == "-":
        if sys.stdout.isatty():
            raise click.UsageError("A bundle is no text: send it into a file.")
        sys.stdout.buffer.write(content)
        return
    output.touch(mode=0o600)
    output.write_bytes(content)
    click.echo(f"wrote {output} from {folder}", err=True)
