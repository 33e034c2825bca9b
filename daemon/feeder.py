"""Gives the sound of a session to its pump in pieces, whatever becomes of the connection that brought it.

A chunk may be longer than what the pump may hold; once it was taken it is heard whole, and the next one waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.pump import Pump
from amanuensis.stream.formats import AudioFormat

PIECE_S: Final = 1.0  # at most so much at once: what waits in the pump stays bounded
LOST_BY_CLIENT: Final = "not received: the client lost this audio"


class Feeder:
    """Feeds one pump.

    Args:
        pump: of the session.
        fmt: of the sound.
        heard_bytes: sound and losses that the pump was given before.

    Attributes:
        heard_bytes: sound and losses that the pump was given, or is about to be.

    """

    def __init__(self, pump: Pump, fmt: AudioFormat, heard_bytes: int = 0) -> None:
        self.heard_bytes = heard_bytes
        self._pump = pump
        self._format = fmt
        self._waiting: deque[bytes | tuple[int, str]] = deque()  # sound, or samples that were lost and why
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    def put(self, chunk: Chunk) -> None:
        """Take a chunk; nothing more may come until `drained`, or memory has no bound."""
        if chunk.missing_bytes:
            self.lose(chunk.missing_bytes, LOST_BY_CLIENT)
        self.heard_bytes += len(chunk.data)
        self._waiting.extend(_pieces(chunk.data, round(PIECE_S * self._format.bytes_per_s)))
        self._start()

    def lose(self, n_bytes: int, why: str) -> None:
        """Leave out sound that was lost; a sample that was cut by the loss is completed with zeros."""
        frame_bytes = self._format.frame_bytes
        rest = min(-self.heard_bytes % frame_bytes, n_bytes)
        if rest:
            self._waiting.append(bytes(rest))
        self._waiting.append(((n_bytes - rest) // frame_bytes, why))
        self.heard_bytes += n_bytes
        self._start()

    def end(self) -> None:
        """Have the pump end once it was given everything."""
        self._ending = True
        self._end_if_given()

    async def drained(self) -> None:
        """Wait until the pump was given everything, and has room for more."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def stop(self) -> None:
        """Give no more, and forget what waits."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None:
            self._give_one()
            self._task = asyncio.create_task(self._give_rest())

    async def _give_rest(self) -> None:
        try:
            await self._pump.room()
            while self._waiting:
                self._give_one()
                await self._pump.room()
        finally:
            self._task = None  # here and not in a done callback: what comes next must find it gone

    def _give_one(self) -> None:
        if self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, bytes):
                self._pump.feed(item)
            else:
                self._pump.skip(*item)
        self._end_if_given()

    def _end_if_given(self) -> None:
        if self._ending and not self._waiting:
            self._pump.end()


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
