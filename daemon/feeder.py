"""Gives the sound of a session to its pump in pieces, whatever becomes of the connection that brought it.

A chunk may be longer than what the pump may hold; once it was taken it is heard whole, and the next one waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.pump import LONG_S, Pump
from amanuensis.stream.formats import AudioFormat

PIECE_S: Final = 1.0  # at most so much at once: what waits in the pump stays bounded
LOST_BY_CLIENT: Final = "not received: the client lost this audio"


@dataclass(frozen=True, slots=True)
class LongLoss:
    """A loss that takes time: see `Pump.skip_long`."""

    n_samples: int
    why: str


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
        # Sound, and what else is to be done in its place.
        self._waiting: deque[bytes | Callable[[], None] | LongLoss] = deque()
        self._ignored_bytes = 0
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    def put(self, chunk: Chunk) -> None:
        """Take a chunk; nothing more may come until `drained`, or memory has no bound."""
        n_missing = chunk.missing_bytes - self._ignore(chunk.missing_bytes)
        if n_missing:
            self.lose(n_missing, LOST_BY_CLIENT)
        self.hear(chunk.data[self._ignore(len(chunk.data)) :])

    def hear(self, data: bytes) -> None:
        """Take sound."""
        self.heard_bytes += len(data)
        self._waiting.extend(_pieces(data, round(PIECE_S * self._format.bytes_per_s)))
        self._start()

    def ignore(self, n_bytes: int) -> None:
        """Leave out so many of the bytes that come next: the pump has their fate."""
        self._ignored_bytes = n_bytes

    def _ignore(self, n_bytes: int) -> int:
        """Return how many of the next bytes are left out."""
        n_ignored = min(self._ignored_bytes, n_bytes)
        self._ignored_bytes -= n_ignored
        return n_ignored

    def lose(self, n_bytes: int, why: str) -> None:
        """Leave out sound that was lost; a sample that was cut by the loss is completed with zeros."""
        frame_bytes = self._format.frame_bytes
        rest = min(-self.heard_bytes % frame_bytes, n_bytes)
        if rest:
            self._waiting.append(bytes(rest))
        n_samples = (n_bytes - rest) // frame_bytes
        if n_samples <= LONG_S * self._format.rate:
            self._waiting.append(partial(self._pump.skip, n_samples, why))
        else:
            self._waiting.append(LongLoss(n_samples, why))
        self.heard_bytes += n_bytes
        self._start()

    def after(self, act: Callable[[], None]) -> None:
        """Do something once the pump was given what came before it."""
        self._waiting.append(act)
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
            if not (self._waiting and isinstance(self._waiting[0], LongLoss)):
                self._give_one()
            self._task = asyncio.create_task(self._give_rest())

    async def _give_rest(self) -> None:
        try:
            await self._pump.room()
            while self._waiting:
                if isinstance(loss := self._waiting[0], LongLoss):
                    await self._pump.skip_long(loss.n_samples, loss.why)
                self._give_one()
                await self._pump.room()
        finally:
            self._task = None  # here and not in a done callback: what comes next must find it gone

    def _give_one(self) -> None:
        """Give what is next; a long loss was given before, and stood there until now."""
        if self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, bytes):
                self._pump.feed(item)
            elif not isinstance(item, LongLoss):
                self._pump.attempt(item)
        self._end_if_given()

    def _end_if_given(self) -> None:
        if self._ending and not self._waiting:
            self._pump.end()


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
