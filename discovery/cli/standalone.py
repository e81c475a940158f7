"""A directory of manifests in the cluster's place."""

from collections.abc import Sequence
from pathlib import Path

import click

from discovery.cli.errors import CommandError
from discovery.stores.directory import DirectoryStore


def open_store(manifests: Sequence[Path], out: Path | None) -> DirectoryStore:
    """Read the manifests. Warnings go to stderr; any error ends the command, with all of them."""
    for folder in manifests if out else ():
        # The next pass would take the status files for manifests.
        if out and out.resolve().is_relative_to(folder.resolve()):
            raise CommandError("the output lies among the manifests", str(out), "Choose another.")
    store = DirectoryStore(manifests, out)
    store.refresh()
    errors = [problem for problem in store.problems if problem.is_error]
    for problem in store.problems:
        click.echo(str(problem), err=True)
    if errors:
        what = f"{len(errors)} {'error' if len(errors) == 1 else 'errors'} in the manifests"
        where = ", ".join(map(str, manifests))
        raise CommandError(what, where, "Correct them; nothing was written.")
    for failed in store.unreadable.values():
        raise failed
    return store
