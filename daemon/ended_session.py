"""What is left of a session that is over, for those who come late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amanuensis.daemon.journal import Journal
from amanuensis.daemon.live_session import Identity
from amanuensis.daemon.session_store import SessionStore
from amanuensis.stream.events import Ready


@dataclass(frozen=True, slots=True)
class EndedSession:
    """What is left of a session for a while."""

    identity: Identity
    journal: Journal
    ready: Ready  # as watchers get it
    ready_again: Ready  # as its speaker gets it
    reason: str
    ended_s: float  # on the clock of `Sessions`
    fates: Mapping[str, Any]
    store: SessionStore

    def ledger(self) -> dict[str, Any]:
        """Return what became of its audio."""
        return dict(self.fates)
