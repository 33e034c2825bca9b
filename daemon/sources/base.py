"""What every source of sound is: one format, known once it is open, and pieces in order."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from amanuensis.stream.formats import AudioFormat

CHUNK_S: Final = 0.02  # one frame of the voice detector: nothing is gained by waking more often
MAX_CHUNK_S: Final = 1.0  # a source that runs faster than real time hands over at most this much at once


class SourceError(Exception):
    """The source cannot be opened or has failed; the message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Samples that were captured but could not be kept: they become a `gap` at this place of the stream."""

    samples: int  # of each channel, at the source's rate
    why: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing follows for now (a sender has gone): what was heard should become final."""

    why: str


Chunk: TypeAlias = bytes | Lost | Pause


class Source(ABC):
    """Sound from somewhere; open it with `amanuensis.daemon.sources.choose.open_source`.

    Attributes:
        name: what a person calls it.
        format: how its bytes are to be read; fixed while it is open.
        duration_s: its length, where it is known.
        live: its sound goes on whether or not it is read, so that waiting loses samples.

    """

    name: str
    format: AudioFormat
    duration_s: float | None = None
    live: bool = False

    @abstractmethod
    def chunks(self) -> AsyncIterator[Chunk]:
        """Yield the sound in order, whole sample frames in each piece; ends where the sound ends.

        Raises:
            SourceError: the source has failed in the middle; everything before has been yielded.

        """

    async def drain(self) -> AsyncIterator[Chunk]:
        """Yield what was captured but not yet handed over, once `chunks` is not read any more."""
        nothing: tuple[Chunk, ...] = ()
        for chunk in nothing:
            yield chunk

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of the device, file or socket; allowed at any time and more than once."""


def elapsed_s() -> float:
    """Return seconds that never go back and count while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pacer:
    """When the next piece is due if sound is to run at `speed` times real time.

    The schedule is absolute, so that late pieces do not add up.
    """

    def __init__(self, speed: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.speed = speed
        self._clock = clock
        self._start_s: float | None = None

    def delay_s(self, media_s: float) -> float:
        """Return how long to wait, in seconds, before the piece that begins at `media_s` is handed over."""
        now = self._clock()
        if self._start_s is None:
            self._start_s = now - media_s / self.speed
        return max(0.0, self._start_s + media_s / self.speed - now)


def chunk_s(speed: float) -> float:
    """Return how much sound to hand over at once at a speed, in seconds; 0 means as fast as possible."""
    return MAX_CHUNK_S if speed <= 0 else min(MAX_CHUNK_S, CHUNK_S * max(1.0, speed))
