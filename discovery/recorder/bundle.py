"""The bundle: a ring in one file, with what is needed to understand it.

A ``.tar.gz`` with ``about.json``, ``settings.json`` and the segments, the same bytes for the same
content.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from discovery.recorder.redaction import redacted_text
from discovery.recorder.ring import FORMAT, contents, encoded, records

ROOT: Final = "tailnet-discovery-support"
_LARGEST: Final = 8 * 1024**3  # bytes; twice the largest ring, so that no file fills the memory


class BundleError(Exception):
    """There is nothing to replay at a place; the text says why."""


def pack(ring: Path, version: str, settings: Any) -> bytes:
    """Return the bundle of a ring; ``settings`` have no secrets any more."""
    parts = contents(ring)
    about = {"format": FORMAT, "version": version, "segments": sorted(parts)}
    files = {"about.json": encoded(about), "settings.json": redacted_text(encoded(settings))}
    files |= {f"ring/{name}": content for name, content in parts.items()}
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{ROOT}/{name}")
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def read(place: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of a bundle or of a ring's folder. Raises BundleError."""
    parts = list(contents(place).values()) if place.is_dir() else _unpacked(place)
    if not parts:
        raise BundleError("nothing is recorded there")
    for part in parts:
        try:
            yield from records(part)
        except (EOFError, OSError, zlib.error) as error:
            raise BundleError("a packed segment is damaged") from error


def _unpacked(place: Path) -> list[bytes]:
    try:
        with tarfile.open(place, mode="r:gz") as tar:
            parts = {
                member.name: _content(tar, member)
                for member in tar
                if member.isfile() and member.name.startswith(f"{ROOT}/ring/")
            }
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise BundleError("it is no support bundle, or only a part of one") from error
    return [parts[name] for name in sorted(parts)]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None or member.size > _LARGEST:
        raise tarfile.TarError(member.name)
    content = file.read()
    if len(content) < member.size:
        raise EOFError(member.name)
    return content
