"""The settings of the flight recorder, and where it records when nobody says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from discovery.settings.fields import no_bool
from discovery.settings.section import Section

STATE_VARIABLE: Final = "XDG_STATE_HOME"
"""Where a user's programs keep their state (XDG Base Directory Specification)."""

Megabytes = Annotated[int, BeforeValidator(no_bool), Field(ge=1, le=4096)]


class RecorderSettings(Section):
    """What `run` and `sync` keep of lists and decisions, for `replay`."""

    directory: Path | None = Field(
        None,
        description="Folder of the ring. Default: `tailnet-discovery/INSTANCE` in "
        "`XDG_STATE_HOME` or `~/.local/state`; with `--standalone` `OUT/.recorder`.",
    )
    max_megabytes: Megabytes = Field(
        16, description="What all of it takes at most, 1-4096; the oldest goes first."
    )


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for a user's state; a user without a home has the machine's."""
    said = Path(environ.get(STATE_VARIABLE, ""))
    if said.is_absolute():
        return said
    home = Path(environ.get("HOME", ""))
    return home / ".local" / "state" if home.is_absolute() else Path("/var/lib")
