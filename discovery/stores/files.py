"""Files that are replaced together: first every new content is safe on disk, then all are renamed.

A full disk or a read-only folder therefore shows before the first file is touched, and a reader
never meets half a file.
"""

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".tailnet-discovery-new"


def replace_all(contents: Mapping[Path, bytes | None]) -> None:
    """Give each path its content, None meaning that the file goes; folders come and go with them.

    Raises OSError with nothing changed where a content could not be stored, or a file is to go
    from a folder that can not be written.
    """
    for path, content in contents.items():
        if content is None and path.exists() and not os.access(path.parent, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    for path in _staged({p: c for p, c in contents.items() if c is not None}):
        path.replace(path.with_name(path.name.removesuffix(_SUFFIX)))
    for path in sorted(p for p, content in contents.items() if content is None):
        path.unlink(missing_ok=True)
        with suppress(OSError):  # a folder holds something else
            path.parent.rmdir()
            path.parent.parent.rmdir()


def remove_unfinished(folder: Path) -> None:
    """Remove from everywhere below a folder what a process that was killed had not yet renamed."""
    for path in folder.rglob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def _staged(contents: Mapping[Path, bytes]) -> list[Path]:
    """Store every content beside the file that it is to replace; all of them or none."""
    staged: list[Path] = []
    made: list[Path] = []
    try:
        for path in sorted(contents):
            made += _make_folders(path.parent)
            staged.append(_stage(path, contents[path]))
    except OSError:
        for path in staged:
            path.unlink(missing_ok=True)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise
    return staged


def _stage(path: Path, content: bytes) -> Path:
    staged = path.with_name(path.name + _SUFFIX)
    try:
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    return staged


def _make_folders(folder: Path) -> list[Path]:
    missing = [folder, *folder.parents]
    made: list[Path] = []
    for parent in reversed([f for f in missing if not f.exists()]):
        parent.mkdir()
        made.append(parent)
    return made
