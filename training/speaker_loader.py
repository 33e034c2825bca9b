"""Batches of the speaker training: windows of speech, each through a channel and a noise of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.speaker_sound import LOUD_QUANTILE, N_MELS, SPEECH_RANGE_LOG10
from amanuensis.training.speaker_data import Shard
from amanuensis.training.speech import Float32

WINDOW_FRAMES = (130, 330)  # 1.3 to 3.3 s
N_KNOTS = 8  # of a random channel over the mel axis
BAND_LIMITED = 0.25
NOISY = 0.6
SNR_DB = (3.0, 30.0)
FLOOR_LOG10 = -10.0


@dataclass(frozen=True)
class Corpus:
    """All speech, pauses left out.

    `mel` is float16 [frames, N_MELS], log10; utterance i has frames `starts[i]` to `starts[i + 1]` and is spoken by
    `speakers[i]`, numbered from 0 without gaps; `noise` is float16 [clips, frames, N_MELS].
    """

    mel: NDArray[np.float16]
    starts: NDArray[np.int64]
    speakers: NDArray[np.int64]
    pitch_hz: Float32
    noise: NDArray[np.float16]

    @property
    def n_speakers(self) -> int:
        """How many speakers there are."""
        return int(self.speakers.max()) + 1

    @classmethod
    def open(cls, work: Path) -> Corpus:
        """Read all shards of a work folder.

        Raises:
            RuntimeError: there are none.

        """
        shards = [Shard.open(path) for path in sorted((work / "shards").glob("[0-9]*.npz")) if ".part" not in path.name]
        if not shards:
            raise RuntimeError(f"{work / 'shards'}: holds no shards; the stage `speakers` writes them first")
        pieces, lengths = [], []
        for shard in shards:
            for start, stop in zip(shard.starts[:-1], shard.starts[1:], strict=True):
                pieces.append(without_pauses(shard.mel[start:stop]))
                lengths.append(len(pieces[-1]))
        _, speakers = np.unique(np.concatenate([shard.speakers for shard in shards]), return_inverse=True)
        pitch = np.concatenate([shard.pitch_hz for shard in shards])
        starts = np.cumsum([0, *lengths])
        return cls(np.concatenate(pieces), starts, speakers, pitch, np.load(work / "noise.npy", mmap_mode="r"))


def without_pauses(mel: NDArray[np.float16]) -> NDArray[np.float16]:
    """Return the frames that `speech_mel` would keep."""
    loudness = np.log10(np.sum(10.0 ** mel.astype(np.float32), axis=1))
    return mel[loudness > np.quantile(loudness, LOUD_QUANTILE) - SPEECH_RANGE_LOG10]


def batches(corpus: Corpus, size: int, rng: np.random.Generator) -> Iterator[tuple[Float32, NDArray[np.int64]]]:
    """Yield without end: natural log-mel float32 [size, frames, N_MELS] around each window's mean, and speakers."""
    while True:
        order = rng.permutation(len(corpus.speakers))
        for first in range(0, len(order) - size + 1, size):
            chosen = order[first : first + size]
            frames = int(rng.integers(*WINDOW_FRAMES))
            mel = np.stack([_window(corpus, index, frames, rng) for index in chosen])
            disturb(mel, corpus.noise, rng)
            mel -= mel.mean(axis=1, keepdims=True)
            mel *= np.float32(np.log(10.0))
            yield mel, corpus.speakers[chosen]


def _window(corpus: Corpus, index: int, frames: int, rng: np.random.Generator) -> Float32:
    start, stop = corpus.starts[index], corpus.starts[index + 1]
    at = start + rng.integers(0, max(1, stop - start - frames + 1))
    return np.resize(corpus.mel[at : min(at + frames, stop)], (frames, N_MELS)).astype(np.float32)


def disturb(mel: Float32, noise: NDArray[np.float16], rng: np.random.Generator) -> None:
    """Put each window of log10 mel energies, float32 [size, frames, N_MELS], through a channel and noise, in place."""
    size, frames, _ = mel.shape
    for index in range(size):
        window = mel[index]
        if rng.random() < NOISY:
            level = np.log10(np.mean(10.0**window)) - rng.uniform(*SNR_DB) / 10
            clip = noise[rng.integers(len(noise))]
            at = rng.integers(0, len(clip) - frames + 1)
            other = clip[at : at + frames].astype(np.float32)
            other += level - np.log10(np.mean(10.0**other) + 1e-10)
            np.logaddexp(window * np.log(10.0), other * np.log(10.0), out=window)
            window /= np.float32(np.log(10.0))
        window += channel(rng)
        np.maximum(window, FLOOR_LOG10, out=window)


def channel(rng: np.random.Generator) -> Float32:
    """Return the gains of a random microphone and line, log10 of power, float32 [N_MELS]."""
    knots = np.linspace(0, N_MELS - 1, N_KNOTS)
    weights = np.exp(-0.5 * ((np.arange(N_MELS)[:, None] - knots) / (0.6 * knots[1])) ** 2)
    gain = weights / weights.sum(axis=1, keepdims=True) @ rng.normal(0, rng.uniform(0.1, 0.9), N_KNOTS)
    if rng.random() < BAND_LIMITED:
        edge = rng.uniform(52, 76)  # mel bands: 3.3 to 7 kHz
        gain -= np.maximum(0, np.arange(N_MELS) - edge) * rng.uniform(0.1, 0.5)
    if rng.random() < BAND_LIMITED:
        edge = rng.uniform(2, 10)  # 80 to 400 Hz
        gain -= np.maximum(0, edge - np.arange(N_MELS)) * rng.uniform(0.1, 0.5)
    return gain.astype(np.float32)
