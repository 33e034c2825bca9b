"""From an open source to events, in this process: feeds a `Pump` and reads it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, Literal, TypeAlias

import numpy as np

from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.pump import LONG_S, Pump
from amanuensis.daemon.sources.base import Chunk, Lost, Pause, Source
from amanuensis.npu.engine.api import EngineLostError
from amanuensis.stream.events import Event
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession

Mode: TypeAlias = Literal["live", "lockstep", "windows"]
SILENCE_DBFS: Final = -96.0  # the noise of 16 bits
MAX_BACKLOG_MS: Final = 10_000.0  # sound that waits for a slow engine before its source is held back
STEP_S: Final = 0.1  # a fifth of a tick: ticks fall where they would in real time


class Captioner:
    """One run of a source through the streaming pipeline.

    Args:
        source: open.
        pipeline: running.
        on_sound: told the level in dBFS (None where it is not known) and the lag in ms after every piece of sound.
        mode: "live": decode while people are still speaking, and let sound wait up to ten seconds for a slow engine;
            "lockstep": the same, but hold the source until each decode is done, so that sound that comes as fast as
            possible is captioned as if it came in real time; "windows": decode every window once, when it is complete.

    """

    def __init__(
        self,
        source: Source,
        pipeline: Pipeline,
        on_sound: Callable[[float | None, float], None] | None = None,
        mode: Mode = "live",
    ) -> None:
        self._source = source
        self._engine = pipeline.engine
        self._on_sound = on_sound
        self._mode: Mode = mode
        self._samples = 0  # of each channel, lost ones included
        config, tokenizer, info = pipeline.config.stream, pipeline.tokenizer, pipeline.engine.info
        self._voices = pipeline.voices
        rules = self._voices.rules(config, live=mode == "live") if self._voices else None
        self.session = StreamSession(config, source.format, tokenizer, info, ticks=mode != "windows", voices=rules)

    @property
    def heard_ms(self) -> float:
        """How much sound came, lost sound included, in milliseconds."""
        return 1000 * self._samples / self._source.format.rate

    async def events(self, stop: asyncio.Event | None = None) -> AsyncIterator[Event]:
        """Yield events until the source ends or `stop` is set, and what was heard is final.

        Raises:
            amanuensis.daemon.sources.base.SourceError: the source has failed; its last words were yielded before.
            amanuensis.npu.engine.api.EngineLostError: the engine does nothing more.
            amanuensis.npu.engine.api.EngineBusyError: all stream slots are taken.

        """
        stream = self._engine.open_stream()
        backlog_ms = 0 if self._mode == "lockstep" else MAX_BACKLOG_MS
        patient = not self._source.live
        pump = Pump(self.session, self._engine, stream, backlog_ms, voices=self._voices, patient=patient)
        feeding = asyncio.create_task(self._feed(pump, stop or asyncio.Event()))
        try:
            async for event in pump.events():
                yield event
                if lost := self._engine.stats().lost:
                    raise EngineLostError(lost)
            await feeding
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await pump.aclose()
            self._engine.close_stream(stream)

    async def _feed(self, pump: Pump, stop: asyncio.Event) -> None:
        """Hand sound over until the source ends or is stopped; what it had captured by then is handed over too."""
        reading = asyncio.create_task(self._read(pump))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                async for chunk in self._source.drain():
                    self._take(pump, chunk)
            else:
                reading.result()
        finally:
            reading.cancel()
            stopping.cancel()
            pump.end()

    async def _read(self, pump: Pump) -> None:
        step = round(STEP_S * self._source.format.rate) * self._source.format.frame_bytes
        async for chunk in self._source.chunks():
            for piece in cut(chunk, step) if self._mode == "lockstep" else (chunk,):
                if isinstance(piece, Lost) and piece.samples > LONG_S * self._source.format.rate:
                    await pump.skip_long(piece.samples, piece.why)
                    self._samples += piece.samples
                else:
                    self._take(pump, piece)
                if not self._source.live:
                    await pump.room()

    def _take(self, pump: Pump, chunk: Chunk) -> None:
        if isinstance(chunk, Pause):
            pump.flush()
        elif isinstance(chunk, Lost):
            self._skip(pump, chunk)
        else:
            self._hear(pump, chunk)

    def _skip(self, pump: Pump, lost: Lost) -> None:
        """Say what was lost: it becomes a gap, and what follows keeps its media time."""
        pump.skip(lost.samples, lost.why)
        self._samples += lost.samples

    def _hear(self, pump: Pump, data: bytes) -> None:
        fmt = self._source.format
        self._samples += len(data) // fmt.frame_bytes
        pump.feed(data)
        if self._on_sound is not None:
            self._on_sound(level_dbfs(data, fmt), self.session.lag_ms)


def cut(chunk: Chunk, step: int) -> Iterator[Chunk]:
    """Yield a piece of sound in pieces of `step` bytes, anything else as it is."""
    if isinstance(chunk, bytes):
        yield from (chunk[at : at + step] for at in range(0, len(chunk), step))
    else:
        yield chunk


def level_dbfs(data: bytes, fmt: AudioFormat) -> float | None:
    """Return the root mean square of a piece of sound in dB below full scale; None where it is not linear PCM."""
    if fmt.encoding == "mulaw" or not data:
        return None
    samples = np.frombuffer(data, fmt.dtype).astype(np.float32)
    if fmt.encoding == "s16le":
        samples /= 32768
    power = float(np.mean(np.square(np.nan_to_num(samples, posinf=0.0, neginf=0.0))))
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS
