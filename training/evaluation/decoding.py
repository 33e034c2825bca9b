"""A model folder in the engine of the product, as words are measured with it: greedy, each utterance one window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amanuensis.npu.engine.api import EngineConfig, Precision
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.log_mel import SAMPLE_RATE, log_mel_spectrogram
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob
from amanuensis.training.speech import Float32

LONGEST = 30 * SAMPLE_RATE
SHORTEST = 480  # samples; what is shorter has no frame to encode


@dataclass(frozen=True)
class Recogniser:
    """A loaded model and its tokeniser."""

    model: LoadedModel
    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path, precision: Precision, threads: int) -> Recogniser:
        """Load a folder on the CPU; `precision` is that of the arithmetic."""
        config = EngineConfig(folder, device="cpu", threads=threads, precision=precision)
        return cls(load_model(config), Tokenizer(folder))

    def texts(self, sounds: Sequence[Float32], padded: bool = False) -> list[str]:
        """Return the text of each sound (16 kHz, at most 30 s; longer ones are cut).

        Args:
            sounds: float32 mono.
            padded: with silence to 30 s, as every loader but ours has it; a model without a free audio context is
                always given that.

        """
        full = padded or self.model.info.audio_context == "padded"
        return [self._text(sound[:LONGEST], LONGEST if full else SHORTEST) for sound in sounds]

    def _text(self, sound: Float32, shortest: int) -> str:
        long_enough = np.pad(sound, (0, max(0, shortest - len(sound))))
        job = WindowJob(log_mel_spectrogram(long_enough, self.model.info.n_mels))
        return self.tokenizer.decode(self.model.decode(job).tokens).strip()
