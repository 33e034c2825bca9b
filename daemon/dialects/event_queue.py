"""What waits for a client that is not told our events but a translation of them."""

from __future__ import annotations

import asyncio

from amanuensis.daemon.config import LimitSettings
from amanuensis.daemon.hub import ClientQueue, Outgoing
from amanuensis.stream.events import Event


class EventQueue(ClientQueue):
    """A client's queue of a session, with its bounds, whose events are taken as they are.

    Args:
        wanted: of the events that may be hidden.
        limits: how much may wait.
        news: set whenever there is something to take; may be shared by several queues.
        abandoned: set when the client does not read; may be shared by several queues.

    """

    def __init__(
        self, wanted: frozenset[str], limits: LimitSettings, news: asyncio.Event, abandoned: asyncio.Event
    ) -> None:
        super().__init__("json", wanted, limits.queue_events, limits.queue_bytes)
        self.abandoned = abandoned
        self._news = news

    def put(self, outgoing: Outgoing) -> None:
        """Queue an event; a queue that is full is closed for its reader."""
        super().put(outgoing)
        self._news.set()

    def close(self, code: int, reason: str) -> None:
        """Take nothing more; what waits can still be taken."""
        super().close(code, reason)
        self._news.set()

    def take(self) -> list[Event]:
        """Return all that waits, in order, and forget it."""
        taken = []
        while self._waiting:
            key, outgoing = self._waiting.popitem(last=False)
            self._note_taken(key, outgoing)
            taken.append(outgoing.entry.event)
        return taken
