"""From one session to its clients: a bounded queue for each, so that a slow client costs nobody but itself.

Partials, stats and acks are replaced by newer ones while they wait; durable events are never dropped. From a high water
mark on, a client gets no partials and stats, until its queue has fallen to the low one; one whose queue is full is
closed with a reason.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from amanuensis.daemon.journal import Entry
from amanuensis.daemon.protocol import DEFAULT_WANTED, EventEncoding
from amanuensis.daemon.wire import encode_event
from amanuensis.stream.events import Event

REPLACEABLE: Final = frozenset({"partial", "stats", "ack"})  # only the newest is of use
HIDEABLE: Final = frozenset({"partial", "stats"})  # a client may ask not to get them
TRY_AGAIN: Final = 1013  # WebSocket close code: the server cannot serve this client now


class Outgoing:
    """An entry on its way to many clients, encoded once for each way of telling it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self._encoded: dict[tuple[EventEncoding, bool], str | bytes] = {}

    def encoded(self, encoding: EventEncoding, want: frozenset[str]) -> str | bytes:
        key = (encoding, "words" in want)
        if key not in self._encoded:
            self._encoded[key] = encode_event(self.entry.event, self.entry.seq, encoding, want)
        return self._encoded[key]


class ClientQueue:
    """What waits to be sent to one client.

    Args:
        encoding: of the events.
        want: which of the events that may be hidden are sent.
        max_events: durable events that may wait; half of it is the high water mark, a quarter the low one.
        max_bytes: of their encoding.

    Attributes:
        want: which of the events that may be hidden are sent.
        dropped: replaceable events that were overtaken by newer ones.
        closing: close code and reason, once nothing more is taken.
        abandoned: set when not even what waits will be sent.

    """

    def __init__(
        self,
        encoding: EventEncoding,
        want: frozenset[str] = DEFAULT_WANTED,
        max_events: int = 1024,
        max_bytes: int = 2**22,
    ) -> None:
        self.encoding: EventEncoding = encoding
        self.want = want
        self.dropped = 0
        self.closing: tuple[int, str] | None = None
        self.abandoned = asyncio.Event()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._bytes = 0  # of the durable events that wait
        self._is_behind = False
        self._replay: deque[Outgoing] = deque()  # bounded by the journal's ring
        self._waiting: OrderedDict[str | int, Outgoing] = OrderedDict()
        self._count = 0
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._replay) + len(self._waiting)

    def replay(self, entries: Iterable[Entry]) -> None:
        """Queue the past of the session, before anything live."""
        self._replay.extend(Outgoing(entry) for entry in entries if self._wanted(entry.event))
        self._ready.set()

    def put(self, outgoing: Outgoing) -> None:
        """Queue an event; a queue that is full is closed for its reader."""
        event = outgoing.entry.event
        if self.closing is not None or not self._wanted(event):
            return
        if self._is_behind and event.type in HIDEABLE:
            self.dropped += 1
            return
        if event.type in REPLACEABLE:
            self.dropped += self._waiting.pop(event.type, None) is not None
            self._waiting[event.type] = outgoing  # at the end: it must not overtake a commit
        else:
            self._put_durable(outgoing)
        self._ready.set()

    def _put_durable(self, outgoing: Outgoing) -> None:
        n, size = len(self._waiting), self._size(outgoing)
        if n >= self._max_events or (n and self._bytes + size > self._max_bytes):
            self.abandon(TRY_AGAIN, f"too slow: {n} events were not read")
            return
        self._count += 1
        self._waiting[self._count] = outgoing
        self._bytes += size
        if not self._is_behind and (2 * n >= self._max_events or 2 * self._bytes >= self._max_bytes):
            self._is_behind = True
            for name in HIDEABLE:
                self.dropped += self._waiting.pop(name, None) is not None

    def _size(self, outgoing: Outgoing) -> int:
        return len(outgoing.encoded(self.encoding, self.want))

    def send(self, event: Event) -> None:
        """Queue an event of this connection alone."""
        self.put(Outgoing(Entry(event)))

    def close(self, code: int, reason: str) -> None:
        """Take nothing more; what waits is still sent."""
        if self.closing is None:
            self.closing = (code, reason)
        self._ready.set()

    def abandon(self, code: int, reason: str) -> None:
        """Take nothing more and forget what waits."""
        self._replay.clear()
        self._waiting.clear()
        self.abandoned.set()
        self.close(code, reason)

    async def get(self) -> str | bytes | None:
        """Return the next frame to send, or None when the queue is closed and empty."""
        while True:
            if self._replay:
                return self._replay.popleft().encoded(self.encoding, self.want)
            if self._waiting:
                key, outgoing = self._waiting.popitem(last=False)
                self._note_taken(key, outgoing)
                return outgoing.encoded(self.encoding, self.want)
            if self.closing is not None:
                return None
            self._ready.clear()
            await self._ready.wait()

    def _note_taken(self, key: str | int, outgoing: Outgoing) -> None:
        if isinstance(key, int):
            self._bytes -= self._size(outgoing)
            below = 4 * len(self._waiting) <= self._max_events and 4 * self._bytes <= self._max_bytes
            self._is_behind = self._is_behind and not below

    def _wanted(self, event: Event) -> bool:
        return event.type not in HIDEABLE or event.type in self.want


class Hub:
    """The clients of one session."""

    def __init__(self) -> None:
        self.clients: set[ClientQueue] = set()

    def join(self, client: ClientQueue, past: Sequence[Entry]) -> None:
        """Tell a client the past, then have it follow."""
        client.replay(past)
        self.clients.add(client)

    def leave(self, client: ClientQueue) -> None:
        """Tell a client nothing more."""
        self.clients.discard(client)

    def publish(self, entry: Entry, first: ClientQueue | None = None) -> None:
        """Queue an event for every client; for one of them first, so that a crowd does not delay it."""
        outgoing = Outgoing(entry)
        for client in sorted(self.clients, key=lambda client: client is not first):
            client.put(outgoing)

    def say_goodbye(self, bye: Entry, close: Callable[[ClientQueue], None]) -> None:
        """Tell the end of the session, and close the connections."""
        self.publish(bye)
        self._close_all(close)

    def _close_all(self, close: Callable[[ClientQueue], None]) -> None:
        for client in self.clients:
            close(client)
