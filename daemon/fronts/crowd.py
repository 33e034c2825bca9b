"""The clients of one session at one front, wherever the session itself is just now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from amanuensis.daemon.hub import ClientQueue, Hub, Outgoing
from amanuensis.daemon.journal import Entry
from amanuensis.stream.events import Snapshot


@dataclass(slots=True)
class Crowd:
    """Those who have been told the same.

    Attributes:
        clients: their queues.
        seq: number of the newest durable event that they were told.

    """

    clients: set[ClientQueue] = field(default_factory=set)
    seq: int = 0

    def tell(self, entry: Entry, first: ClientQueue | None = None) -> None:
        """Tell an event to all; a durable one that they know is not told again."""
        if entry.seq is not None:
            if entry.seq <= self.seq:
                return
            self.seq = entry.seq
        outgoing = Outgoing(entry)
        for client in sorted(self.clients, key=lambda client: client is not first):
            client.put(outgoing)

    def send_away(self, code: int, why: str) -> None:
        """Close all connections at once: what waits for them is told when they come back."""
        for client in list(self.clients):
            client.abandon(code, why)


class Order(Protocol):
    """Does things once everything that came before them is kept."""

    def when_kept(self, act: Callable[[], None]) -> None:
        """Do it then, in order."""
        ...

    def touch(self) -> None:
        """Have the store asked even if nothing has changed: another front may have the session."""
        ...

    def say(self, entry: Entry) -> None:
        """Have an event told to those who follow at other fronts."""
        ...


class SharedHub(Hub):
    """The hub of a session that other fronts may take up: nobody is told before it is kept for them.

    Args:
        crowd: the clients at this front.
        order: of telling.

    """

    def __init__(self, crowd: Crowd, order: Order) -> None:
        super().__init__()
        self.clients = crowd.clients
        self._crowd = crowd
        self._order = order
        self._coming: set[ClientQueue] = set()
        self._is_mute = False

    def publish(self, entry: Entry, first: ClientQueue | None = None) -> None:
        """Tell an event to all once it is kept."""
        if not self._is_mute:
            self._order.say(entry)
            if self.clients or self._coming:  # else nothing waits, however long the store does not answer
                self._order.when_kept(lambda: self._crowd.tell(entry, first))

    def join(self, client: ClientQueue, past: Sequence[Entry]) -> None:
        """Have a client follow, once it is known that the session is still here."""
        self._coming.add(client)
        last_seq = max((_seq(entry) for entry in past), default=0)

        def arrive() -> None:
            if client in self._coming:
                self._coming.discard(client)
                self._crowd.seq = max(self._crowd.seq, last_seq)
                Hub.join(self, client, past)

        self._order.touch()
        self._order.when_kept(arrive)

    def leave(self, client: ClientQueue) -> None:
        """Tell a client nothing more."""
        self._coming.discard(client)
        super().leave(client)

    def say_goodbye(self, bye: Entry, close: Callable[[ClientQueue], None]) -> None:
        """Tell the end once everything before it is kept, and close the connections."""
        if not self._is_mute:
            self.publish(bye)
            self._order.when_kept(lambda: self._close_all(close))

    def mute(self) -> None:
        """Take nothing more to tell: the session goes on elsewhere. What was taken is told once it is kept."""
        self._is_mute = True

    def send_away(self, code: int, why: str) -> None:
        """Close all connections at once."""
        self.turn_back(code, why)
        self._crowd.send_away(code, why)

    def turn_back(self, code: int, why: str) -> None:
        """Close the connections of those that have not been told anything yet."""
        coming = list(self._coming)
        self._coming.clear()
        for client in coming:
            client.abandon(code, why)


def _seq(entry: Entry) -> int:
    """Return the number of the newest durable event that an entry tells of, 0 where it tells of none."""
    return entry.event.seq if isinstance(entry.event, Snapshot) else entry.seq or 0
