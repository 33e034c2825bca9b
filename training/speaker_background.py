"""What is fixed about the cepstral statistics of voices: their mean and spread over the training's speakers."""

from __future__ import annotations

import numpy as np

from amanuensis.npu.speaker_builtin import Constants
from amanuensis.npu.speaker_sound import cepstral_statistics
from amanuensis.training.speaker_loader import Corpus, disturb, excerpt
from amanuensis.training.speech import Float32

WINDOWS = 12_000
FRAMES = 200


def background(corpus: Corpus) -> Constants:
    """Return the constants of the cepstral statistics, over windows of many voices and channels."""
    rng = np.random.default_rng(31)
    chosen = rng.permutation(len(corpus.speakers))[:WINDOWS]
    found = np.stack([_statistics(corpus, index, rng) for index in chosen])
    mean, spread = found.mean(axis=0), found.std(axis=0)
    return Constants(mean, spread, 0.0)


def _statistics(corpus: Corpus, index: int, rng: np.random.Generator) -> Float32:
    window = excerpt(corpus.mels[index], FRAMES, rng)[None]
    disturb(window, corpus.noise, rng)
    return cepstral_statistics(window[0] * np.float32(np.log(10.0)))
