"""A file in place of a control plane: the JSON body of the devices API, as it was saved."""

import asyncio
import sys
from pathlib import Path
from typing import BinaryIO, Final

from discovery.clients.devices import decode_devices
from discovery.clients.errors import InventoryError, MalformedAnswerError
from discovery.clients.exchange import BODY_LIMIT
from discovery.tailnet import DeviceList

_STDIN: Final = "-"


class InventoryFile:
    """Devices from a file, which is read anew for each list; ``-`` is stdin, which is read once."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._from_stdin: bytes | None = None

    async def devices(self, previous: DeviceList | None = None) -> DeviceList:
        """List the devices. Those that equal one of ``previous`` are the identical objects.

        Raises InventoryError, naming the file, where it can not be read or is no devices body.
        """
        where = "stdin" if str(self._path) == _STDIN else str(self._path)
        try:
            body = await asyncio.to_thread(self._read)
        except OSError as exc:
            message = f"the inventory can not be read: {exc.strerror}"
            raise InventoryError(message, where=where) from exc
        if len(body) > BODY_LIMIT:
            message = f"the inventory is larger than {BODY_LIMIT} bytes"
            raise InventoryError(message, where=where)
        try:
            return decode_devices(body, where=where, previous=previous)
        except MalformedAnswerError as exc:
            raise InventoryError(exc.message, where=where) from exc

    def _read(self) -> bytes:
        if str(self._path) != _STDIN:
            with Path(self._path).open("rb") as file:
                return _limited(file)
        if self._from_stdin is None:
            self._from_stdin = _limited(sys.stdin.buffer)
        return self._from_stdin


def _limited(file: BinaryIO) -> bytes:
    # One byte more than is allowed shows that there is too much, even where a file has no end.
    return file.read(BODY_LIMIT + 1)
