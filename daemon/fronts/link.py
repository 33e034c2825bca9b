"""How a front reaches the store that it shares with the others."""

from __future__ import annotations

from typing import Any, Protocol


class StoreLostError(Exception):
    """The store does not answer now; the same call may be made again."""


class StoreLink(Protocol):
    """Calls the methods of `FrontStore`, wherever it is."""

    async def call(self, method: str, *args: Any, limit_s: float, **named: Any) -> Any:
        """Call a method.

        Args:
            method: its name.
            args: of it.
            limit_s: how long to wait for its answer.
            named: further arguments of it.

        Raises:
            StoreLostError: there is no answer; it may have been done all the same.

        """
        ...
