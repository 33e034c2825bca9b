"""What a speaker has sent and the server may not have yet: sound that is not acknowledged, and what was sent behind it.

Pure. The counterpart of `daemon/cursor.py`: after a cut, `resume` says what to send again (docs/protocol.md).
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from amanuensis.daemon.protocol import Framing
from amanuensis.stream.formats import AudioFormat

FRAME_BYTES: Final = 64  # of memory that a frame costs beside its content


class OutboxError(Exception):
    """The server wants what is not kept any more; the message says what."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A frame, and the number of its chunk; orders have none."""

    frame: str | bytes
    n: int | None


class Outbox:
    """Numbers what is sent, and keeps it until the server does.

    Args:
        fmt: of the sound.
        framing: of binary frames; with "raw" nothing can be skipped.
        first: number of the first chunk; when others have sent chunks before, this side cannot say where they end.

    Attributes:
        acked: number of the newest chunk that the server keeps, -1 before the first.
        kept_bytes: of memory that is used.

    """

    def __init__(self, fmt: AudioFormat, framing: Framing = "msgpack", first: int = 0) -> None:
        self.acked = first - 1
        self.kept_bytes = 0
        self._frame_bytes = fmt.frame_bytes
        self._framing = framing
        self._kept: deque[Kept] = deque()
        self._first = first  # chunk that is kept
        self._orders_gone = 0  # of those behind the chunk before it
        self._next = first
        self._sample: int | None = 0 if first == 0 else None

    @property
    def next_chunk(self) -> int:
        """Number of the next chunk."""
        return self._next

    def audio(self, data: bytes) -> bytes:
        """Return whole sample frames as the frame to send."""
        frame = data
        if self._framing == "msgpack":
            at = {} if self._sample is None else {"at": self._sample}
            frame = msgpack.packb({"t": "a", "n": self._next} | at | {"d": data})
        self._keep(Kept(frame, self._next))
        self._next += 1
        if self._sample is not None:
            self._sample += len(data) // self._frame_bytes
        return frame

    def skip(self, n_samples: int) -> None:
        """Leave a hole of so many samples of each channel before the next audio.

        Raises:
            ValueError: the framing cannot say so, or it is not known where the hole would begin.

        """
        if self._framing == "raw":
            raise ValueError('raw framing has no place for what was lost: say "framing": "msgpack"')
        if self._sample is None:
            raise ValueError("a session that another process has begun cannot be told of a hole: its start is unknown")
        self._sample += n_samples

    def order(self, kind: str, **fields: Any) -> str:
        """Return a text message other than `ping` as the frame to send; fields that are None are left out."""
        frame = json.dumps({"type": kind} | {key: value for key, value in fields.items() if value is not None})
        self._keep(Kept(frame, None))
        return frame

    def leave_out(self, n_samples: int, why: str) -> str:
        """Return the order that so many samples of each channel become a gap, as the frame to send."""
        if self._sample is not None:
            self._sample += n_samples
        return self.order("skip", samples=n_samples, why=why)

    def acknowledged(self, n: int) -> None:
        """Forget what the server keeps: chunks up to `n`, and orders before it."""
        self.acked = max(self.acked, n)
        self._forget_before(n + 1)

    def resume(self, next_chunk: int, controls: int) -> list[str | bytes]:
        """Return what to send again, in order, to a server that has taken so much.

        Args:
            next_chunk: `next` of its `ready`.
            controls: `controls` of its `ready`: orders taken after the chunk before that.

        Raises:
            OutboxError: it wants what it had acknowledged, or what was never sent.

        """
        if not self._first <= next_chunk <= self._next:
            raise OutboxError(f"the server wants chunk {next_chunk}; this client has {self._first} to {self._next - 1}")
        self._forget_before(next_chunk)
        while self._orders_gone < controls and self._kept and self._kept[0].n is None:
            self._drop()
        if self._orders_gone != controls:
            message = f"the server says that it has taken {controls} text messages after chunk {next_chunk - 1}"
            raise OutboxError(f"{message}, which is not what went: {self._orders_gone}")
        self.acked = max(self.acked, next_chunk - 1)
        return self.frames

    @property
    def frames(self) -> list[str | bytes]:
        """What is kept, in order."""
        return [kept.frame for kept in self._kept]

    def forget(self) -> None:
        """Keep nothing of what was sent."""
        while self._kept:
            self._drop()

    def _forget_before(self, n: int) -> None:
        """Forget chunks before `n`, and orders before the last of them."""
        while self._first < min(n, self._next):
            self._drop()

    def _keep(self, kept: Kept) -> None:
        self._kept.append(kept)
        self.kept_bytes += len(kept.frame) + FRAME_BYTES

    def _drop(self) -> None:
        kept = self._kept.popleft()
        self.kept_bytes -= len(kept.frame) + FRAME_BYTES
        self._first += kept.n is not None
        self._orders_gone = self._orders_gone + 1 if kept.n is None else 0
