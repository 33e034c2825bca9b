"""Where a session stands in what its speaker sends, by whichever connection that comes.

Pure. It belongs to the session: a speaker that comes back goes on where the cursor stands (docs/protocol.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanuensis.daemon.protocol import Audio, ProtocolError
from amanuensis.stream.formats import AudioFormat

MAX_SKIP_S: Final = 60  # longest hole that `at` may declare: more is a broken clock, not lost audio
FATAL: Final = 4400  # close code of what cannot be understood


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sound to take: chunk number, so many bytes that the client says it lost, then `data`."""

    n: int
    missing_bytes: int
    data: bytes


@dataclass(slots=True)
class Cursor:
    """What was taken of a speaker's messages.

    Attributes:
        format: of the sound.
        next_chunk: number of the audio chunk that is wanted next.
        controls: text frames other than `ping` that were taken since the chunk before it.
        position_bytes: sound received and lost so far.
        ended: `end` was taken.
        closed: the session takes nothing more, whatever comes.

    """

    format: AudioFormat
    next_chunk: int = 0
    controls: int = 0
    position_bytes: int = 0
    ended: bool = False
    closed: bool = False

    def take(self, audio: Audio) -> Chunk | None:
        """Take a chunk; None when it was taken before.

        Raises:
            ProtocolError: chunks do not follow one another: `chunk_hole`, `at_mismatch` (close 4400).

        """
        n = self.next_chunk if audio.n is None else audio.n
        if n < self.next_chunk:
            return None
        if n > self.next_chunk:
            message = f"audio: n is {n}, expected {self.next_chunk}: chunks are numbered without holes"
            raise ProtocolError("chunk_hole", message, FATAL)
        missing_bytes = self._missing_bytes(audio.at, n)
        self.next_chunk, self.controls = n + 1, 0
        self.position_bytes += missing_bytes + len(audio.data)
        return Chunk(n, missing_bytes, audio.data)

    def _missing_bytes(self, at: int | None, n: int) -> int:
        """Return how many bytes lie between the last chunk's end and `at`."""
        fmt = self.format
        expected = self.position_bytes // fmt.frame_bytes
        if at is None or at == expected:
            return 0
        if not expected < at <= expected + MAX_SKIP_S * fmt.rate:
            message = (
                f"audio: chunk {n} has at {at}, expected {expected}: at counts samples of one channel from 0, "
                f"and may jump forward by at most {MAX_SKIP_S} s where audio was lost"
            )
            raise ProtocolError("at_mismatch", message, FATAL)
        return at * fmt.frame_bytes - self.position_bytes
