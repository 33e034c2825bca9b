"""From an open source to events, in this process: feeds a `Pump` and reads it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Final

import numpy as np

from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.pump import Pump
from amanuensis.daemon.sources.base import Chunk, Lost, Pause, Source
from amanuensis.npu.engine.api import EngineLostError
from amanuensis.stream.events import Event, Gap
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession

SILENCE_DBFS: Final = -96.0  # the noise of 16 bits
MULAW_SILENCE: Final = b"\xff"  # G.711: the code of +0


class Captioner:
    """One run of a source through the streaming pipeline.

    Args:
        source: open.
        pipeline: running.
        on_sound: told the level in dBFS (None where it is not known) and the lag in ms after every piece of sound.
        ticks: decode while people are still speaking; False: every window once, when it is complete.

    """

    def __init__(
        self,
        source: Source,
        pipeline: Pipeline,
        on_sound: Callable[[float | None, float], None] | None = None,
        *,
        ticks: bool = True,
    ) -> None:
        self._source = source
        self._engine = pipeline.engine
        self._on_sound = on_sound
        self._samples = 0  # of each channel, lost ones included
        config, tokenizer, info = pipeline.config.stream, pipeline.tokenizer, pipeline.engine.info
        self.session = StreamSession(config, source.format, tokenizer, info, ticks=ticks)

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
        pump = Pump(self.session, self._engine, stream)
        feeding = asyncio.create_task(self._feed(pump, stop or asyncio.Event()))
        try:
            async for event in pump.events():
                yield event
                if pump.engine_lost is not None:
                    raise EngineLostError(pump.engine_lost)
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
                for chunk in self._source.drain():
                    self._take(pump, chunk)
            else:
                reading.result()
        finally:
            reading.cancel()
            stopping.cancel()
            pump.end()

    async def _read(self, pump: Pump) -> None:
        async for chunk in self._source.chunks():
            self._take(pump, chunk)
            if not self._source.live:
                await pump.room()

    def _take(self, pump: Pump, chunk: Chunk) -> None:
        if isinstance(chunk, Pause):
            pump.flush()
        elif isinstance(chunk, Lost):
            self._report(pump, chunk)
        else:
            self._hear(pump, chunk)

    def _report(self, pump: Pump, lost: Lost) -> None:
        """Say what was lost, and put silence in its place: it keeps the media time of what follows."""
        fmt = self._source.format
        pump.emit(Gap(self.heard_ms, self.heard_ms + 1000 * lost.samples / fmt.rate, lost.why))
        for at in range(0, lost.samples, fmt.rate):
            self._hear(pump, silence(fmt, min(fmt.rate, lost.samples - at)))

    def _hear(self, pump: Pump, data: bytes) -> None:
        fmt = self._source.format
        self._samples += len(data) // fmt.frame_bytes
        pump.feed(data)
        if self._on_sound is not None:
            self._on_sound(level_dbfs(data, fmt), self.session.lag_ms)


def silence(fmt: AudioFormat, samples: int) -> bytes:
    """Return so many samples of each channel without sound."""
    return (MULAW_SILENCE if fmt.encoding == "mulaw" else b"\0") * (samples * fmt.frame_bytes)


def level_dbfs(data: bytes, fmt: AudioFormat) -> float | None:
    """Return the root mean square of a piece of sound in dB below full scale; None where it is not linear PCM."""
    if fmt.encoding == "mulaw" or not data:
        return None
    samples = np.frombuffer(data, fmt.dtype).astype(np.float32)
    if fmt.encoding == "s16le":
        samples /= 32768
    power = float(np.mean(np.square(np.nan_to_num(samples, posinf=0.0, neginf=0.0))))
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS
