"""The mixture of Gaussians of many voices, and the projection that parts speakers: both from synthetic voices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.speaker_mixture import Mixture
from amanuensis.npu.speaker_sound import mfcc
from amanuensis.training.speaker_loader import Corpus, disturb, excerpt
from amanuensis.training.speech import Float32

COMPONENTS = 64
DIM = 128
ROUNDS = 12  # of expectation-maximisation
FRAMES_OF_WINDOW = 25  # that the mixture is fitted on
MIXTURE_WINDOWS = 3000
WINDOWS_OF_UTTERANCE = 2
WINDOW_FRAMES = 200
FLOOR = 0.05  # of a variance, as a share of that of all frames
SHRINKAGE = 0.6

Float64 = NDArray[np.float64]


def fit(corpus: Corpus) -> Mixture:
    """Return the mixture and the projection."""
    rng = np.random.default_rng(41)
    chosen = rng.permutation(len(corpus.speakers))[:MIXTURE_WINDOWS]
    frames = [rng.permutation(window(corpus, int(index), rng))[:FRAMES_OF_WINDOW] for index in chosen]
    mixture = fit_mixture(np.concatenate(frames), rng)
    indices = np.repeat(np.arange(len(corpus.speakers)), WINDOWS_OF_UTTERANCE)
    supervectors = np.stack([mixture.supervector(window(corpus, int(index), rng)) for index in indices])
    offset = supervectors.mean(axis=0)
    projection = discriminants(supervectors - offset, np.array(corpus.speakers)[indices], DIM)
    return Mixture(mixture.means, mixture.variances, mixture.shares, offset, projection)


def window(corpus: Corpus, index: int, rng: np.random.Generator) -> Float32:
    """Return the MFCC of a disturbed window of an utterance, float32 [WINDOW_FRAMES, N_CEPSTRA]."""
    mel = excerpt(corpus.mels[index], WINDOW_FRAMES, rng)[None]
    disturb(mel, corpus.noise, rng)
    return mfcc(mel[0] * np.float32(np.log(10.0)))


def fit_mixture(frames: Float32, rng: np.random.Generator) -> Mixture:
    """Fit COMPONENTS Gaussians to frames, float32 [n, N_CEPSTRA], by expectation-maximisation."""
    k, dim = COMPONENTS, frames.shape[1]
    offset, nothing = np.zeros(k * dim, np.float32), np.zeros((k * dim, 0), np.float32)
    whole = frames.var(axis=0)
    means, alike = frames[rng.permutation(len(frames))[:k]], np.full(k, 1 / k, np.float32)
    mixture = Mixture(means, np.tile(whole, (k, 1)), alike, offset, nothing)
    for _ in range(ROUNDS):
        shares = mixture.posteriors(frames)
        counts = shares.sum(axis=0) + np.float32(1e-3)
        means = shares.T @ frames / counts[:, None]
        variances = np.maximum(shares.T @ frames**2 / counts[:, None] - means**2, FLOOR * whole)
        mixture = Mixture(means, variances, counts / counts.sum(), offset, nothing)
    return mixture


def discriminants(values: Float32, speakers: NDArray[np.int64], dim: int) -> Float32:
    """Return the projection to `dim` directions in which speakers differ most against what varies within them.

    Linear discriminant analysis; SHRINKAGE of the covariance within speakers is replaced by one that is the same in
    every direction: synthetic voices say what varies within real ones only roughly.

    Args:
        values: float32 [n, k] around their mean, several of each speaker.
        speakers: [n].
        dim: of the result, float32 [k, dim].

    """
    _, who, counts = np.unique(speakers, return_inverse=True, return_counts=True)
    centres = np.zeros((len(counts), values.shape[1]))
    np.add.at(centres, who, values)
    centres /= counts[:, None]
    around = values - centres[who]
    each = counts.mean()
    within = around.T @ around / len(around) * each / (each - 1)
    between = centres.T @ centres / len(centres) - within / each
    size = len(within)
    mixed = (1 - SHRINKAGE) * within + SHRINKAGE * np.eye(size) * np.trace(within) / size
    variances, directions = np.linalg.eigh(mixed)
    whitening = directions / np.sqrt(variances)
    _, parting = np.linalg.eigh(whitening.T @ between @ whitening)
    return np.asarray(whitening @ parting[:, -dim:], np.float32)
