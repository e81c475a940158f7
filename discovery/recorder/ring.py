"""The ring: JSON lines in a folder, in segments of which the oldest goes when there are too many.

A segment that is full is packed, which takes a tenth of the room and some milliseconds. Each record
is one write that ends in a line break, so that a process which is killed leaves at most one torn
line, and the next process goes on behind it.
"""

import errno
import fcntl
import gzip
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

FORMAT: Final = 1
"""Of the records; a reader of another one can not replay them."""

DEFAULT_BYTES: Final = 16 * 1024 * 1024
SEGMENTS: Final = 4
"""Segments that a full ring has, where no single record takes more than its share."""

_PLAIN: Final = ".jsonl"
_PACKED: Final = ".jsonl.gz"
_LEVEL: Final = 1  # a recorder must not hold up the loop: seven milliseconds for each MB
_MAGIC: Final = b"\x1f\x8b"  # RFC 1952
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Ring:
    """The writing end. ``max_bytes`` bounds all segments together.

    The folder is made with the first record, for its owner only, and belongs to one process at a
    time. Every method may raise OSError.
    """

    def __init__(self, directory: Path, max_bytes: int = DEFAULT_BYTES, version: str = "") -> None:
        self.directory = directory
        self.max_bytes = max_bytes
        self._version = version
        self._lock: int | None = None
        self._file: int | None = None
        self._size = 0
        self._whole = 0
        self._header = 0
        self._others = 0
        self._torn = False

    @property
    def is_open(self) -> bool:
        """Whether this process writes there, and nobody has removed the file."""
        return self._file is not None and os.fstat(self._file).st_nlink > 0

    def open(self) -> None:
        """Take the folder, and go on in its last segment."""
        self.close()
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take()
        for packed in self.directory.glob(f"ring-*{_PACKED}"):
            # A process that was killed between the two had not yet removed it.
            packed.with_name(packed.name.removesuffix(".gz")).unlink(missing_ok=True)
        names = segments(self.directory)
        if names and names[-1].name.endswith(_PLAIN):
            self._begin(names[-1])
        else:
            self.rotate()

    def close(self) -> None:
        """Give the folder to others."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None

    def fits(self, size: int) -> bool:
        """Tell whether so many bytes have room in this segment.

        What it began with, the whole device lists, does not count: else a large tailnet would have
        nothing but those.
        """
        most = min(self.max_bytes // SEGMENTS + self._whole, self.max_bytes // 2)
        return self._size + size <= most

    def rotate(self) -> None:
        """Begin another segment, unless this one is new; the oldest go when it needs their room."""
        if self._file is not None and self._size == self._header:
            return
        names = segments(self.directory)
        if names and names[-1].name.endswith(_PLAIN):
            self._pack(names[-1])
        number = _number(names[-1]) + 1 if names else 1
        self._begin(self.directory / f"ring-{number:08}{_PLAIN}")

    def append(self, line: bytes, *, is_whole_list: bool = False) -> None:
        """Write one record, which is given without its line break."""
        if self._file is None:
            raise OSError(errno.EBADF, "the ring is not open", str(self.directory))
        text = b"%s%s\n" % (b"\n" if self._torn else b"", line)
        self._prune(len(text))
        self._torn = True
        written = os.write(self._file, text)
        self._size += written
        self._whole += written if is_whole_list else 0
        if written < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.directory))
        self._torn = False

    def _take(self) -> None:
        if self._lock is None:
            path = self.directory / ".lock"
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise
            self._lock = lock

    def _begin(self, path: Path) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)
        self._size, self._whole = os.fstat(self._file).st_size, 0
        self._others = sum(name.stat().st_size for name in segments(self.directory)) - self._size
        self._torn = self._size > 0 and os.pread(self._file, 1, self._size - 1) != b"\n"
        if self._size == 0:
            self.append(encoded({"kind": "ring", "format": FORMAT, "version": self._version}))
            self._header = self._size

    def _pack(self, path: Path) -> None:
        packed = gzip.compress(path.read_bytes(), _LEVEL, mtime=0)
        self._prune(len(packed))
        new = self.directory / f".new{_PACKED}"
        new.unlink(missing_ok=True)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as stream:
            stream.write(packed)
        new.rename(path.with_name(path.name.removesuffix(_PLAIN) + _PACKED))
        path.unlink()

    def _prune(self, coming: int) -> None:
        """Remove the oldest segments until the new bytes have room."""
        if self._others + self._size + coming <= self.max_bytes:
            return
        *names, _ = segments(self.directory)
        sizes = [name.stat().st_size for name in names]
        while names and sum(sizes) + self._size + coming > self.max_bytes:
            names.pop(0).unlink()
            sizes.pop(0)
        self._others = sum(sizes)


def segments(directory: Path) -> list[Path]:
    """Return the segments of a ring, the oldest first; of one that is there twice the packed."""
    names = sorted(directory.glob(f"ring-*{_PLAIN}")) + sorted(directory.glob(f"ring-*{_PACKED}"))
    found = {_number(name): name for name in names}
    return [found[number] for number in sorted(found)]


def contents(directory: Path) -> dict[str, bytes]:
    """Return what each segment holds, the oldest first; one may end while others are read."""
    found = {}
    for path in segments(directory):
        with suppress(FileNotFoundError):
            found[path.name] = path.read_bytes()
    return found


def encoded(record: Any) -> bytes:
    """Return a record as bytes, which are the same for the same content."""
    return msgspec.json.encode(record, order="sorted")


def records(lines: bytes) -> Iterator[dict[str, Any]]:
    """Yield the records of a segment, packed or not; a line that a kill has torn is left out."""
    if lines.startswith(_MAGIC):
        lines = gzip.decompress(lines)
    for line in lines.splitlines():
        try:
            record = _decode(line)
        except msgspec.MsgspecError:
            continue
        if "kind" in record:
            yield record


def _number(path: Path) -> int:
    return int(path.name.removeprefix("ring-").partition(".")[0])
