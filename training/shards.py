"""Shards: log-mel features of sentences with the times of words and phones, on disk and mapped into memory.

A shard `NAME` is `NAME.mel.npy` (float16 [frames, 80], log10 mel energies, not yet clamped or scaled),
`NAME.phones.npy` (uint8 [frames / 2], one phone per 20 ms) and `NAME.jsonl` (one item a line), written last.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.log_mel import HOP_SAMPLES, N_FFT, SAMPLE_RATE, log10_mel
from amanuensis.training.speech import Float32, Speech

N_MELS = 80
NATURAL = "natural"  # how the names of shards in natural voices begin
FRAMES_PER_S = SAMPLE_RATE // HOP_SAMPLES


@dataclass(frozen=True)
class Item:
    """One sentence of a shard: where its frames lie and what is said in them."""

    start: int  # first frame in the shard
    n_frames: int  # 10 ms each, even
    text: str
    word_starts: list[int]  # frames from the item's own start
    word_ends: list[int]
    voice: str
    domain: str


@dataclass(frozen=True)
class Features:
    """The features of one sentence: float16 [n, 80] log10 mel and uint8 [n / 2] phones, n even."""

    mel: NDArray[np.float16]
    phones: NDArray[np.uint8]
    word_starts: list[int]
    word_ends: list[int]


def features(speech: Speech, samples: Float32, lead_s: float) -> Features:
    """Return the features of `samples`, which are `speech` (16 kHz) after `lead_s` seconds of something else."""
    usable = len(samples) // (2 * HOP_SAMPLES) * (2 * HOP_SAMPLES)
    padded = np.pad(samples[:usable], N_FFT // 2, mode="reflect")
    mel = log10_mel(padded, N_MELS)[:, : usable // HOP_SAMPLES].T
    n_frames = len(mel)
    centres_s = (np.arange(n_frames // 2) + 0.5) * 0.02 - lead_s
    ends = np.array([end for end, _ in speech.phones])
    ids = np.array([phone for _, phone in speech.phones] + [0], np.uint8)
    phones = ids[np.searchsorted(ends, centres_s)]
    phones[centres_s < 0] = 0
    starts = [min(n_frames, round((start + lead_s) * FRAMES_PER_S)) for start, _ in speech.words]
    stops = [min(n_frames, round((end + lead_s) * FRAMES_PER_S)) for _, end in speech.words]
    return Features(np.ascontiguousarray(mel, np.float16), phones, starts, stops)


class ShardWriter:
    """Collects sentences and writes them as one shard, whole or not at all."""

    def __init__(self) -> None:
        self._mels: list[NDArray[np.float16]] = []
        self._phones: list[NDArray[np.uint8]] = []
        self._items: list[Item] = []
        self._n_frames = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, made: Features, text: str, voice: str, domain: str) -> None:
        """Append one sentence."""
        n = len(made.mel)
        self._items.append(Item(self._n_frames, n, text, made.word_starts, made.word_ends, voice, domain))
        self._mels.append(made.mel)
        self._phones.append(made.phones)
        self._n_frames += n

    def write(self, stem: Path) -> float:
        """Write the shard and return its length in hours."""
        np.save(stem.with_suffix(".mel.npy"), np.concatenate(self._mels))
        np.save(stem.with_suffix(".phones.npy"), np.concatenate(self._phones))
        partial = stem.with_suffix(".part")
        partial.write_text("".join(json.dumps(asdict(item)) + "\n" for item in self._items))
        partial.rename(stem.with_suffix(".jsonl"))
        return self._n_frames / FRAMES_PER_S / 3600


@dataclass(frozen=True)
class Shard:
    """A shard on disk, mapped."""

    mel: NDArray[np.float16]
    phones: NDArray[np.uint8]
    items: list[Item]

    @classmethod
    def open(cls, index: Path) -> Shard:
        """Open the shard whose `.jsonl` is `index`."""
        items = [Item(**json.loads(line)) for line in index.read_text().splitlines()]
        mel = np.load(index.with_suffix(".mel.npy"), mmap_mode="r")
        return cls(mel, np.load(index.with_suffix(".phones.npy"), mmap_mode="r"), items)

    def features_of(self, item: Item) -> Features:
        """Return one sentence's features."""
        end = item.start + item.n_frames
        phones = self.phones[item.start // 2 : end // 2]
        return Features(self.mel[item.start : end], phones, item.word_starts, item.word_ends)
