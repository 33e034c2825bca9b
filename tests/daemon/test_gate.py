"""How many connections there may be."""

from __future__ import annotations

import asyncio
import socket

from amanuensis.daemon.access import Peer
from amanuensis.daemon.addresses import Address
from amanuensis.daemon.gate import Gate, GateLimits, GuardedSocket

DOOR = Address("0.0.0.0", 1)
HERE = Peer(DOOR, "127.0.0.1")


def far(k: int) -> Peer:
    """Another machine."""
    return Peer(DOOR, f"192.0.2.{k}")


class Counter:
    """A gate, and what it refused."""

    def __init__(self, total: int = 10, strangers: int = 10, each: int = 10) -> None:
        self.refused: list[str] = []
        self.gate = Gate(GateLimits(total, strangers, each), lambda peer: not peer.is_here, self.refused.append)


def test_all_are_bounded() -> None:
    """When all places are taken nobody comes, and one who leaves makes room, but only once."""
    counter = Counter(total=2)
    first, second = counter.gate.admit(HERE), counter.gate.admit(far(1))
    assert first is not None
    assert second is not None
    assert counter.gate.admit(far(2)) is None
    counter.gate.left(first)
    counter.gate.left(first)
    assert counter.gate.admit(far(2)) is not None
    assert counter.gate.admit(far(3)) is None
    assert counter.refused == ["connections", "connections"]
    assert len(counter.gate) == 2


def test_strangers_are_bounded_apart() -> None:
    """Those who have not shown a token leave room for others, who need none, and for those who have shown one."""
    counter = Counter(strangers=1)
    stranger = counter.gate.admit(far(1))
    assert stranger is not None
    counter.gate.tickets[7] = stranger
    assert counter.gate.admit(far(2)) is None
    assert counter.gate.admit(HERE) is not None
    counter.gate.is_known(7)
    counter.gate.is_known(8)  # gone meanwhile
    assert counter.gate.admit(far(2)) is not None
    counter.gate.left(stranger)
    assert counter.gate.admit(far(3)) is None
    assert counter.refused == ["strangers", "strangers"]


def test_each_machine_is_bounded() -> None:
    """One other machine cannot take all places; this one may."""
    counter = Counter(each=1)
    first = counter.gate.admit(far(1))
    assert first is not None
    assert counter.gate.admit(far(1)) is None
    assert counter.gate.admit(far(2)) is not None
    assert all(counter.gate.admit(HERE) for _ in range(3))
    counter.gate.left(first)
    assert counter.gate.admit(far(1)) is not None
    assert counter.refused == ["connections_each"]


async def test_connections_are_counted_from_accept_to_close() -> None:
    """A connection over the limit is closed unread, and asyncio goes on to accept; a closed one is counted no more."""
    counter = Counter(total=1)
    listener = socket.create_server(("127.0.0.1", 0))
    guarded = GuardedSocket(fileno=listener.detach())
    guarded.guard(DOOR, counter.gate)
    host, port = guarded.getsockname()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, sock=guarded):
        reader, writer = await asyncio.open_connection(host, port)
        assert await reader.readline() == b"hello\n"
        (ticket,) = counter.gate.tickets.values()
        assert ticket.peer.host == "127.0.0.1"
        turned_away, other = await asyncio.open_connection(host, port)
        assert await turned_away.read() == b""
        other.close()
        writer.close()
        while len(counter.gate):
            await asyncio.sleep(0)
        assert counter.gate.tickets == {}
        reader, writer = await asyncio.open_connection(host, port)
        assert await reader.readline() == b"hello\n"
        writer.close()
    assert counter.refused == ["connections"]
