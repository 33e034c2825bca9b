"""Who is told that sessions begin."""

from __future__ import annotations

from typing import Protocol

from amanuensis.daemon.spool.header import SessionHeader


class BeginWatcher(Protocol):
    """Is told of every session that is opened, or taken up again."""

    def __call__(self, header: SessionHeader, *, again: bool = False) -> None:
        """Take note; must not wait."""
        ...


def nobody_watches(header: SessionHeader, *, again: bool = False) -> None:
    """Take no note."""
