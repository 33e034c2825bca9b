"""Batches of the speaker training: windows of speech, each through a channel and a noise of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
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


@dataclass
class Corpus:
    """All speech so far, pauses left out; shards that are written while the training runs join at `grow`.

    `mels` holds float16 [frames, N_MELS], log10, of each utterance, and `speakers` who speaks it; `noise` is float16
    [clips, frames, N_MELS].
    """

    work: Path
    mels: list[NDArray[np.float16]] = field(default_factory=list)
    speakers: list[int] = field(default_factory=list)
    read: set[Path] = field(default_factory=set)

    @cached_property
    def noise(self) -> NDArray[np.float16]:
        """The noises."""
        return np.asarray(np.load(self.work / "noise.npy", mmap_mode="r"))

    @property
    def hours(self) -> float:
        """How much speech there is."""
        return sum(len(mel) for mel in self.mels) / 360_000

    @classmethod
    def open(cls, work: Path) -> Corpus:
        """Read all shards of a work folder.

        Raises:
            RuntimeError: there are none.

        """
        corpus = cls(work)
        corpus.grow()
        if not corpus.mels:
            raise RuntimeError(f"{work / 'shards'}: holds no shards; the stage `speakers` writes them first")
        return corpus

    def grow(self) -> None:
        """Read the shards that have come since."""
        for path in sorted((self.work / "shards").glob("?????.npz")):
            if path not in self.read:
                shard = Shard.open(path)
                parts = zip(shard.starts[:-1], shard.starts[1:], strict=True)
                self.mels += [without_pauses(shard.mel[start:stop]) for start, stop in parts]
                self.speakers += shard.speakers.tolist()
                self.read.add(path)


def without_pauses(mel: NDArray[np.float16]) -> NDArray[np.float16]:
    """Return the frames that `speech_mel` would keep."""
    loudness = np.log10(np.sum(10.0 ** mel.astype(np.float32), axis=1))
    return mel[loudness > np.quantile(loudness, LOUD_QUANTILE) - SPEECH_RANGE_LOG10]


def batches(corpus: Corpus, size: int, rng: np.random.Generator) -> Iterator[tuple[Float32, NDArray[np.int64]]]:
    """Yield without end: natural log-mel float32 [size, frames, N_MELS] around each window's level, and speakers."""
    while True:
        corpus.grow()
        order = rng.permutation(len(corpus.speakers))
        for first in range(0, len(order) - size + 1, size):
            chosen = order[first : first + size]
            frames = int(rng.integers(*WINDOW_FRAMES))
            mel = np.stack([excerpt(corpus.mels[index], frames, rng) for index in chosen])
            disturb(mel, corpus.noise, rng)
            mel -= mel.mean(axis=(1, 2), keepdims=True)
            mel *= np.float32(np.log(10.0))
            yield mel, np.array([corpus.speakers[index] for index in chosen])


def excerpt(mel: NDArray[np.float16], frames: int, rng: np.random.Generator) -> Float32:
    """Return so many frames from a random place, float32 [frames, N_MELS]; a shorter utterance is repeated."""
    at = int(rng.integers(0, max(1, len(mel) - frames + 1)))
    return np.resize(mel[at : at + frames], (frames, N_MELS)).astype(np.float32)


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
    gain = weights / weights.sum(axis=1, keepdims=True) @ rng.normal(0, rng.uniform(0.05, 0.6), N_KNOTS)
    if rng.random() < BAND_LIMITED:
        edge = rng.uniform(52, 76)  # mel bands: 3.3 to 7 kHz
        gain -= np.maximum(0, np.arange(N_MELS) - edge) * rng.uniform(0.1, 0.5)
    if rng.random() < BAND_LIMITED:
        edge = rng.uniform(2, 10)  # 80 to 400 Hz
        gain -= np.maximum(0, edge - np.arange(N_MELS)) * rng.uniform(0.1, 0.5)
    return gain.astype(np.float32)
