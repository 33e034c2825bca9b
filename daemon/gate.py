"""How many connections there may be: counted from the moment they are accepted, before a byte of them is read."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amanuensis.daemon.access import Peer
from amanuensis.daemon.addresses import ListenAddress
from amanuensis.daemon.listeners import peer_uid


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Connections at a time.

    Attributes:
        total: of all.
        strangers: of those that have not shown yet that they may come in.
        each: of one address, or one user; addresses of this machine are not counted by it.

    """

    total: int
    strangers: int
    each: int


@dataclass(slots=True)
class Ticket:
    """One connection that was admitted."""

    peer: Peer
    is_stranger: bool


class Gate:
    """Counts connections and turns away those over a limit.

    Args:
        limits: when they are reached.
        is_stranger: whether somebody has to show first that they may come in.
        on_refused: told which limit it was, for the metrics.

    Attributes:
        tickets: of the open connections, by descriptor.
        strangers: how many of them have not shown yet that they may come in.

    """

    def __init__(
        self, limits: GateLimits, is_stranger: Callable[[Peer], bool], on_refused: Callable[[str], None]
    ) -> None:
        self.limits = limits
        self.tickets: dict[int, Ticket] = {}
        self._is_stranger = is_stranger
        self._on_refused = on_refused
        self._admitted: set[int] = set()  # ids of tickets
        self.strangers = 0
        self._each: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._admitted)

    def admit(self, peer: Peer) -> Ticket | None:
        """Count a connection; None when there are too many."""
        if (full := self._full(peer)) is not None:
            self._on_refused(full)
            return None
        ticket = Ticket(peer, self._is_stranger(peer))
        self._admitted.add(id(ticket))
        self.strangers += ticket.is_stranger
        self._each[peer.key] += 1
        return ticket

    def _full(self, peer: Peer) -> str | None:
        if len(self._admitted) >= self.limits.total:
            return "connections"
        if self.strangers >= self.limits.strangers and self._is_stranger(peer):
            return "strangers"
        if not peer.is_here and self._each[peer.key] >= self.limits.each:
            return "connections_each"
        return None

    def is_known(self, descriptor: int) -> None:
        """Take note that whoever is behind a descriptor has shown that it may come in."""
        if (ticket := self.tickets.get(descriptor)) is not None:
            self._know(ticket)

    def _know(self, ticket: Ticket) -> None:
        self.strangers -= ticket.is_stranger
        ticket.is_stranger = False

    def left(self, ticket: Ticket) -> None:
        """Forget a connection; once more does no harm."""
        if id(ticket) not in self._admitted:
            return
        self._admitted.remove(id(ticket))
        self._know(ticket)
        self._each[ticket.peer.key] -= 1
        if not self._each[ticket.peer.key]:
            del self._each[ticket.peer.key]


class GuardedSocket(socket.socket):
    """A listening socket whose connections pass a gate when they are accepted.

    Not later: with TLS, asyncio tells of a connection only after the handshake, and a stranger need not finish that.
    """

    def guard(self, door: ListenAddress, gate: Gate) -> None:
        """Have connections counted by a gate from now on."""
        self._door, self._gate = door, gate

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection that may come; ConnectionAbortedError, which asyncio expects, for any other."""
        accepted, address = super().accept()
        unix = self.family == socket.AF_UNIX
        peer = Peer(self._door, "" if unix else address[0], peer_uid(accepted) if unix else None)
        ticket = self._gate.admit(peer)
        if ticket is None:
            accepted.close()
            raise ConnectionAbortedError
        return CountedSocket.of(accepted, ticket, self._gate), address


class CountedSocket(socket.socket):
    """A connection that is counted until it is closed."""

    _ticket: Ticket
    _gate: Gate
    _descriptor: int

    @classmethod
    def of(cls, accepted: socket.socket, ticket: Ticket, gate: Gate) -> CountedSocket:
        """Take an accepted socket over."""
        family, kind, proto = accepted.family, accepted.type, accepted.proto
        counted = cls(family, kind, proto, fileno=accepted.detach())
        counted._ticket, counted._gate, counted._descriptor = ticket, gate, counted.fileno()
        gate.tickets[counted._descriptor] = ticket
        return counted

    def close(self) -> None:
        """Close it, and make room for another."""
        if self.fileno() != -1:
            del self._gate.tickets[self._descriptor]  # before it is closed: then the number is another's
            self._gate.left(self._ticket)
        super().close()
