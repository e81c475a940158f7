"""From settings to the recorder of ``run`` and ``sync``."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from discovery import __version__
from discovery.recorder import Recorder, Ring
from discovery.settings import Settings, state_folder

log = logging.getLogger(__name__)


def ring_folder(settings: Settings, out: Path | None = None) -> Path:
    """Return where decisions are recorded; ``out`` is the output folder of ``--standalone``."""
    if settings.recorder.directory is not None:
        return settings.recorder.directory
    if out is not None:
        return out / ".recorder"
    return state_folder(os.environ) / "tailnet-discovery" / settings.instance


@asynccontextmanager
async def open_recorder(settings: Settings, out: Path | None = None) -> AsyncIterator[Recorder]:
    """Give a recorder, which makes its folder when there is something to record.

    Where it can not record, that is logged; a program that logs no warnings says it at its end.
    """
    most = settings.recorder.max_megabytes * 1024 * 1024
    folder = ring_folder(settings, out)
    recorder = Recorder(Ring(folder, most, __version__))
    try:
        yield recorder
    finally:
        recorder.close()
        if recorder.problem and not log.isEnabledFor(logging.WARNING):
            text = f"warning: decisions are not recorded: {recorder.problem} ({folder})"
            click.echo(f"{text}. Set recorder.directory.", err=True)
