"""A keeper whose sessions are shared with the other fronts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from amanuensis.daemon.fronts.shared_store import SharedStore
from amanuensis.daemon.guarded_store import GuardedStore
from amanuensis.daemon.journal import Journal
from amanuensis.daemon.keeper import Keeper
from amanuensis.daemon.session_store import SessionStore
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.daemon.spool.spool_folder import SpoolFolder
from amanuensis.stream.events import Warning  # noqa: A004 - the name on the wire


class Shares(Protocol):
    """Shares sessions that are kept here."""

    def share(self, store: GuardedStore, header: SessionHeader, tell: Callable[[Warning], None]) -> SharedStore:
        """Share a session that was just opened."""
        ...

    def share_again(self, store: GuardedStore, found: RecoveredSession, tell: Callable[[Warning], None]) -> SharedStore:
        """Share a session that was taken up."""
        ...


class FrontKeeper(Keeper):
    """A keeper of sessions that are shared.

    Attributes:
        front: shares them.

    """

    front: Shares

    def keep(self, header: SessionHeader, journal: Journal, tell: Callable[[Warning], None]) -> SessionStore:
        """Begin to keep and share a session as well as can be; what cannot be is told."""
        store = super().keep(header, journal, tell)
        return self.front.share(store, header, tell) if isinstance(store, GuardedStore) else store

    def take_up(self, folder: SpoolFolder, found: RecoveredSession, tell: Callable[[Warning], None]) -> SessionStore:
        """Go on keeping and sharing a session that was found.

        Raises:
            SpoolError: its logs cannot be opened.

        """
        store = super().take_up(folder, found, tell)
        assert isinstance(store, GuardedStore)
        return self.front.share_again(store, found, tell)
