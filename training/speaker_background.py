"""What is fixed about the cepstral statistics of voices: their spread over the training's speakers and within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.speaker_builtin import Constants
from amanuensis.npu.speaker_sound import cepstral_statistics
from amanuensis.training.speaker_loader import Corpus, disturb, excerpt
from amanuensis.training.speech import Float32

WINDOWS = 12_000
FRAMES = 200
SHRINKAGE = 0.5


def background(corpus: Corpus) -> Constants:
    """Return the constants of the cepstral statistics, over windows of many voices and channels."""
    rng = np.random.default_rng(31)
    chosen = rng.permutation(len(corpus.speakers))[:WINDOWS]
    found = np.stack([_statistics(corpus, index, rng) for index in chosen])
    mean, spread = found.mean(axis=0), found.std(axis=0)
    whitening = within_speaker_whitening((found - mean) / spread, np.array(corpus.speakers)[chosen])
    return Constants(mean, spread, whitening, 0.0)


def _statistics(corpus: Corpus, index: int, rng: np.random.Generator) -> Float32:
    window = excerpt(corpus.mels[index], FRAMES, rng)[None]
    disturb(window, corpus.noise, rng)
    return cepstral_statistics(window[0] * np.float32(np.log(10.0)))


def within_speaker_whitening(values: Float32, speakers: NDArray[np.int64]) -> Float32:
    """Return the matrix after which values, float32 [n, dim], vary alike in every direction around their speaker.

    Half of the covariance within speakers is replaced by one that is the same in every direction: synthetic voices say
    the size of what varies within real ones only roughly.
    """
    _, who = np.unique(speakers, return_inverse=True)
    sums = np.zeros((who.max() + 1, values.shape[1]))
    np.add.at(sums, who, values)
    around = values - (sums / np.bincount(who)[:, None])[who]
    within = around.T @ around / len(around)
    dim = len(within)
    mixed = (1 - SHRINKAGE) * within + SHRINKAGE * np.eye(dim) * np.trace(within) / dim
    variances, directions = np.linalg.eigh(mixed)
    return np.asarray(directions / np.sqrt(variances), np.float32)
