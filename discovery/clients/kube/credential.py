"""The Authorization header for an API server, read anew before and when it expires."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from discovery.clients.errors import AuthError

_PERIOD: Final = 60.0  # seconds; the kubelet replaces a token at four fifths of its life
_LONGEST: Final = 60.0  # seconds that a credential plugin may take


class Load(Protocol):
    """Where a header's value comes from. What it raises is told nobody: it may hold a secret."""

    async def __call__(self, *, new: bool) -> str | None:
        """Return the value; ``new`` asks for another even where the old has not expired."""
        ...


class ReloadedCredential:
    """A header's value that ``load`` gives, asked for once a minute and when it is refused.

    A value that can not be read anew is used on: it may hold yet.
    """

    def __init__(
        self,
        value: str | None,
        load: Load,
        where: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._value = value
        self._load = load
        self._where = where
        self._monotonic = monotonic
        self._loaded = monotonic()
        self._loading = asyncio.Lock()

    async def authorization(self, refused: str | None = None) -> str | None:
        """Return the header's value; ``refused`` is one that the server would not have."""
        async with self._loading:
            is_refused = refused is not None and refused == self._value
            if is_refused or self._monotonic() - self._loaded >= _PERIOD:
                self._loaded = self._monotonic()
                await self._reload(force=is_refused)
        return self._value

    async def _reload(self, *, force: bool) -> None:
        try:
            async with asyncio.timeout(_LONGEST):
                self._value = await self._load(new=force)
        except Exception as exc:
            if force:
                text = "the credential is refused and can not be read anew"
                raise AuthError(text, where=self._where) from exc
