"""Sockets as sources of raw sound."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amanuensis.daemon.sources.base import Chunk, Pause, SourceError
from amanuensis.daemon.sources.socket import BUSY, SocketSource, bind_private, blocks, split_tcp
from amanuensis.stream.formats import AudioFormat

FORMAT = AudioFormat("s16le", 16_000, 1)


class Told:
    """Collects what a source says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)


async def opened(address: str, told: Told | None = None) -> SocketSource:
    """A source that listens."""
    source = SocketSource(address, FORMAT, told or Told())
    await source.open()
    return source


async def sender_to(source: SocketSource) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a source."""
    kind, _, address = source.name.partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def until_pause(chunks: AsyncIterator[Chunk]) -> bytes:
    """What one sender sent."""
    data = b""
    async for chunk in chunks:
        if isinstance(chunk, Pause):
            return data
        assert isinstance(chunk, bytes)
        data += chunk
    raise AssertionError("no pause")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_senders_are_heard_one_after_the_other(tmp_path: Path, kind: str) -> None:
    """Each sender's whole samples come out, a pause stands between senders, half a sample is left out."""
    source = await opened("tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/sound")
    chunks = source.chunks()
    for sound in (b"abcdefgh", b"12345"):
        _, writer = await sender_to(source)
        writer.write(sound)
        writer.close()
        assert await until_pause(chunks) == sound[: len(sound) // 2 * 2]
    await source.aclose()


async def test_a_second_sender_is_turned_away() -> None:
    """While one sender is heard another one is told so and closed, and the first goes on."""
    told = Told()
    source = await opened("tcp:127.0.0.1:0", told)
    chunks = source.chunks()
    _, first = await sender_to(source)
    first.write(b"ab")
    assert await anext(chunks) == b"ab"
    reader, second = await sender_to(source)
    assert await reader.read() == BUSY
    second.close()
    first.write(b"cd")
    assert await anext(chunks) == b"cd"
    first.close()
    assert isinstance(await anext(chunks), Pause)
    assert any("turned away" in line for line in told.lines)
    await source.aclose()


async def test_a_broken_connection_is_a_pause() -> None:
    """A sender that is reset ends like one that closes."""
    source = await opened("tcp:127.0.0.1:0")
    chunks = source.chunks()
    _, writer = await sender_to(source)
    writer.write(b"ab")
    assert await anext(chunks) == b"ab"
    linger = b"\1\0\0\0\0\0\0\0"  # struct linger {on, 0 s}: closing resets the connection
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    assert isinstance(await anext(chunks), Pause)
    await source.aclose()


async def test_closing_ends_a_source_that_waits() -> None:
    """A source that waits for its first sender ends when it is closed, and again."""
    source = await opened("tcp:127.0.0.1:0")
    waiting = asyncio.create_task(anext(source.chunks(), None))
    await asyncio.sleep(0)
    await source.aclose()
    await source.aclose()
    assert await waiting is None


async def test_a_unix_socket_is_the_owners_and_is_removed(tmp_path: Path) -> None:
    """Nobody else may send sound, and nothing is left behind."""
    path = tmp_path / "sound"
    source = await opened(f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await source.aclose()
    assert not path.exists()


async def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    """The socket file of a program that crashed is no obstacle."""
    path = tmp_path / "sound"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    source = await opened(f"unix:{path}")
    _, writer = await sender_to(source)
    writer.close()
    await source.aclose()


async def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    """A taken port, a taken socket and a file of that name are refused in words."""
    tcp, unix = await opened("tcp:127.0.0.1:0"), await opened(f"unix:{tmp_path}/sound")
    (tmp_path / "file").write_text("mine")
    for address, expected in (
        (tcp.name, "address already in use"),
        (unix.name, "another program listens there"),
        (f"unix:{tmp_path}/file", "is not a socket"),
        (f"unix:{tmp_path}/no/folder", "no such file or directory"),
        (f"unix:{tmp_path}/{'x' * 200}", "too long"),
    ):
        with pytest.raises(SourceError, match=expected) as caught:
            await opened(address)
        assert address in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"
    await tcp.aclose()
    await unix.aclose()


@pytest.mark.parametrize(
    ("address", "expected"),
    [("tcp:127.0.0.1:7000", ("127.0.0.1", 7000)), ("tcp:localhost:0", ("localhost", 0)), ("tcp:[::1]:9", ("::1", 9))],
)
def test_tcp_addresses(address: str, expected: tuple[str, int]) -> None:
    """Names, IPv4 and bracketed IPv6 addresses are read."""
    assert split_tcp(address) == expected


@pytest.mark.parametrize("address", ["tcp:", "tcp:7000", "tcp:host:", "tcp::7000", "tcp:host:port", "tcp:host:65536"])
def test_wrong_tcp_addresses(address: str) -> None:
    """What is no address is refused with an example."""
    with pytest.raises(SourceError, match=r"tcp:HOST:PORT, for example"):
        split_tcp(address)


async def test_the_kernel_looks_after_silent_tcp_senders() -> None:
    """A sender whose machine vanished does not hold the only place for ever."""
    source = await opened("tcp:127.0.0.1:0")
    _, writer = await sender_to(source)
    writer.write(bytes(2))
    assert await anext(source.chunks()) == bytes(2)
    assert source._sender is not None
    peer = source._sender[1].get_extra_info("socket")
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
    writer.close()
    await source.aclose()


def test_a_unix_socket_is_private_from_the_first_moment(tmp_path: Path) -> None:
    """Binding makes the file for its owner alone, and leaves the process's umask as it was."""
    before = os.umask(0o022)
    try:
        with bind_private(tmp_path / "sound"):
            assert stat.S_IMODE((tmp_path / "sound").stat().st_mode) == 0o600
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


async def test_a_sender_that_timed_out_has_gone() -> None:
    """What the kernel reports of a silent peer, ETIMEDOUT or EHOSTUNREACH, ends the sender and not the source."""
    for number in (errno.ETIMEDOUT, errno.EHOSTUNREACH):
        reader = asyncio.StreamReader()
        reader.feed_data(b"ab")
        assert await anext(blocks(reader)) == b"ab"
        reader.set_exception(OSError(number, os.strerror(number)))
        assert [data async for data in blocks(reader)] == []
