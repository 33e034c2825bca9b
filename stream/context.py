"""What the utterances of one stream share, and what they need of its sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.log_mel import HOP_SAMPLES
from amanuensis.stream.captions import CaptionWriter
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.counters import Counters
from amanuensis.stream.ledger import AudioLedger
from amanuensis.stream.pace import TickPace
from amanuensis.stream.prompt import PromptMemory
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.words import ENCODER_FRAME, WordTokenizer

__all__ = ["LEAD_FRAMES", "StreamContext", "WindowAudio"]

MAX_FRAMES: Final = 3_000  # log-mel frames of a window, padding included
LEAD_FRAMES: Final = 50  # 0.5 s of silence before a window that begins in speech, as long as the usual pre-roll
FREE_PAD_FRAMES: Final = 40  # 0.4 s of silence after the audio of a model that takes any length
PADDED_PAD_FRAMES: Final = 200  # 2 s for stock weights, which were trained with silence after the speech
PADDED_MIN_FRAMES: Final = 300


class WindowAudio(Protocol):
    """The sound of one utterance; positions are 16 kHz samples from the start of the stream."""

    @property
    def stop(self) -> int:
        """How far it is known what is speech."""
        ...

    def features(self, start: int, stop: int, lead_frames: int, pad_frames: int) -> NDArray[np.float32]:
        """Return scaled log-mel of [start, stop) between frames of silence, float32 [n_mels, n_frames]."""
        ...

    def voiced_spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of [start, stop) that are speech, in order."""
        ...

    def quietest(self, start: int, stop: int) -> int:
        """Return the quietest position in [start, stop)."""
        ...


@dataclass(slots=True)
class StreamContext:
    """The state of a stream that outlives its utterances."""

    config: StreamConfig
    info: EngineInfo
    tokenizer: WordTokenizer
    captions: CaptionWriter
    prompt: PromptMemory
    ledger: AudioLedger
    counters: Counters = field(default_factory=Counters)
    pace: TickPace = field(default_factory=TickPace)
    language: str | None = None
    ticks: bool = True  # False: recordings, where only finished windows are decoded

    @property
    def edge(self) -> int:
        """Samples before the newest audio where attention is not trusted."""
        return round(self.config.edge_ms * MODEL_RATE / 1000)

    @property
    def tick_every_ms(self) -> float:
        """New audio that makes a tick due: what is set, or more while the engine is slower."""
        return self.pace.interval_ms(self.config.tick_ms)

    @property
    def tick(self) -> int:
        """Samples of new audio that make a tick due."""
        return round(self.tick_every_ms * MODEL_RATE / 1000)

    def window_limit(self) -> int:
        """Return the longest window in samples, whole encoder frames, padding left out."""
        pad = PADDED_PAD_FRAMES if self.info.audio_context == "padded" else FREE_PAD_FRAMES
        longest = (MAX_FRAMES - pad - LEAD_FRAMES) * HOP_SAMPLES
        limit = min(round(self.config.window_limit_s(self.info, live=self.ticks) * MODEL_RATE), longest)
        return limit - limit % ENCODER_FRAME

    def pad_frames(self, n_frames: int) -> int:
        """Return how many frames of silence follow the `n_frames` of a window, so that the whole is an even number."""
        if self.info.audio_context == "free":
            return FREE_PAD_FRAMES + n_frames % 2
        return max(PADDED_PAD_FRAMES, PADDED_MIN_FRAMES - n_frames) + n_frames % 2
