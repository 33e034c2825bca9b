"""A sound file to pieces, in order, with no more of it in memory than one piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.daemon.archive.pieces import CutRules, Piece, PieceCutter
from amanuensis.daemon.commands.common import complain
from amanuensis.daemon.sources.base import Source, SourceError
from amanuensis.daemon.sources.choose import InputRequest, open_source
from amanuensis.stream.formats import PcmDecoder
from amanuensis.stream.resample import MODEL_RATE, Resampler
from amanuensis.stream.vad import VadConfig

MAX_FILE_S: Final = 100 * 3600  # about as much speech as a transcript has words for


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that can be read; its length in s, where that is known."""

    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A file was read to its end: so many pieces and 16 kHz samples."""

    n_pieces: int
    n_samples: int


async def read_pieces(file: Path, rules: CutRules, vad: VadConfig) -> AsyncIterator[Opened | Piece | Ended]:
    """Yield that a file was opened, its pieces, and that it is over.

    Raises:
        SourceError: it cannot be read, or not to its end.

    """
    async with open_source(InputRequest(f"file:{file}", speed=0.0), complain) as source:
        yield Opened(source.duration_s)
        reader = _Reader(source, PieceCutter(rules, vad))
        async for chunk in source.chunks():
            assert isinstance(chunk, bytes)  # what is read from a file is neither lost nor paused
            for piece in await asyncio.to_thread(reader.take, chunk):
                yield piece
        for piece in await asyncio.to_thread(reader.end):
            yield piece
        yield Ended(reader.n_pieces, reader.n_samples)


class _Reader:
    """The sound of a source as an engine's stream would hear it, cut."""

    def __init__(self, source: Source, cutter: PieceCutter) -> None:
        self.n_pieces = 0
        self.n_samples = 0
        self._name = source.name
        self._decoder = PcmDecoder(source.format)
        self._resampler = Resampler(source.format.rate)
        self._cutter = cutter

    def take(self, data: bytes) -> list[Piece]:
        """Take raw sound; return the pieces that are complete."""
        return self._counted(self._push(self._resampler.push(self._decoder.decode(data))))

    def end(self) -> list[Piece]:
        """Return the last pieces."""
        return self._counted([*self._push(self._resampler.flush()), *self._cutter.finish()])

    def _push(self, samples: NDArray[np.float32]) -> list[Piece]:
        self.n_samples += samples.size
        if self.n_samples > MAX_FILE_S * MODEL_RATE:
            raise SourceError(f"{self._name}: longer than {MAX_FILE_S // 3600} hours; split it first")
        return self._cutter.push(samples)

    def _counted(self, pieces: list[Piece]) -> list[Piece]:
        self.n_pieces += len(pieces)
        return pieces
