"""How well voices are told apart: the equal-error rate over pairs of windows of different recordings.

A folder's `manifest.jsonl` names recordings with their speaker; rows of kind `speaker` are used, several a speaker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from amanuensis.benchmarks.sound import SAMPLE_RATE, read_sound, spoken
from amanuensis.npu.speakers import SpeakerEmbedder

Samples = NDArray[np.float32]
TELEPHONE_RATE: Final = 8000
CHANNEL_DB: Final = 5.0  # standard deviation of a random channel's gain at each of its knots
CHANNEL_LIMIT_DB: Final = 12.0
CHANNEL_KNOTS_HZ: Final = np.geomspace(100.0, 8000.0, 7)


@dataclass(frozen=True, slots=True)
class Recording:
    """The speech of one recording, float32 mono at 16 kHz without its pauses."""

    speaker: str
    speech: Samples


@dataclass(frozen=True, slots=True)
class PairError:
    """Errors over pairs of windows: of different recordings of one speaker, and of different speakers."""

    window_s: float
    eer: float  # share, 0 to 1
    threshold: float  # the cosine where both kinds of error are equal
    windows: int
    same_pairs: int
    different_pairs: int


def load_recordings(folder: Path, kind: str = "speaker") -> list[Recording]:
    """Read the recordings of a folder whose rows in `manifest.jsonl` have this kind, resampled to 16 kHz.

    Raises:
        ValueError: the folder has no such rows of at least two speakers.

    """
    path = folder / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = [row for row in rows if row.get("kind") == kind and row.get("speaker")]
    if len({row["speaker"] for row in rows}) < 2:
        raise ValueError(f"{path}: has no rows of kind {kind!r} of two speakers or more; see docs/speaker-model.md")
    return [Recording(row["speaker"], spoken(read_sound(folder / row["path"]))) for row in rows]


def through_random_channels(recordings: Sequence[Recording], seed: int) -> list[Recording]:
    """Return the recordings, each with its own random smooth equaliser."""
    return [
        Recording(recording.speaker, equalised(recording.speech, np.random.default_rng((seed, index))))
        for index, recording in enumerate(recordings)
    ]


def through_telephone(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recordings as a telephone has them: at 8 kHz, and back at 16 kHz."""
    return [replace(recording, speech=narrowed(recording.speech)) for recording in recordings]


def narrowed(samples: Samples) -> Samples:
    """Return samples without what 8 kHz do not hold."""
    half = soxr.resample(samples, SAMPLE_RATE, TELEPHONE_RATE)
    return np.asarray(soxr.resample(half, TELEPHONE_RATE, SAMPLE_RATE), np.float32)


def equalised(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return samples with random gains at CHANNEL_KNOTS_HZ, interpolated in log frequency and dB."""
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    knots_db = np.clip(rng.normal(0, CHANNEL_DB, len(CHANNEL_KNOTS_HZ)), -CHANNEL_LIMIT_DB, CHANNEL_LIMIT_DB)
    gain_db = np.interp(np.log(np.maximum(hz, 1.0)), np.log(CHANNEL_KNOTS_HZ), knots_db)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples) * 10 ** (gain_db / 20), len(samples)), np.float32)


def windows(recordings: Sequence[Recording], window_s: float) -> Iterator[tuple[int, Samples]]:
    """Yield (number of the recording, samples) of the whole windows of speech, one after the other."""
    length = round(window_s * SAMPLE_RATE)
    for index, recording in enumerate(recordings):
        for start in range(0, len(recording.speech) - length + 1, length):
            yield index, recording.speech[start : start + length]


def measure(embedder: SpeakerEmbedder, recordings: Sequence[Recording], window_s: float) -> PairError:
    """Embed every window and compare all pairs of windows of different recordings."""
    cut = list(windows(recordings, window_s))
    vectors = np.stack([embedder.embed(samples) for _, samples in cut])
    numbers = np.array([number for number, _ in cut])
    return pair_error(vectors, numbers, [recording.speaker for recording in recordings], window_s)


def pair_error(vectors: Samples, numbers: NDArray[np.int64], speakers: Sequence[str], window_s: float) -> PairError:
    """Return the errors over all pairs.

    Args:
        vectors: float32 [windows, dim], of unit length.
        numbers: [windows], the recording that each window is of.
        speakers: of each recording.
        window_s: length of the windows.

    """
    who = np.array(speakers)[numbers]
    left, right = np.triu_indices(len(vectors), k=1)
    apart = numbers[left] != numbers[right]
    left, right = left[apart], right[apart]
    scores = np.einsum("ij,ij->i", vectors[left], vectors[right])
    alike = who[left] == who[right]
    eer, threshold = equal_error(scores[alike], scores[~alike])
    return PairError(window_s, eer, threshold, len(vectors), int(alike.sum()), int((~alike).sum()))


def equal_error(same: NDArray[np.floating], different: NDArray[np.floating]) -> tuple[float, float]:
    """Return the equal-error rate and its threshold.

    It is where the share of `same` scores below the threshold meets the share of `different` ones at or above it.
    """
    same, different = np.sort(same), np.sort(different)
    thresholds = np.concatenate([same, different])
    missed = np.searchsorted(same, thresholds, side="left") / len(same)
    false = 1 - np.searchsorted(different, thresholds, side="left") / len(different)
    best = int(np.argmin(np.abs(missed - false)))
    return float((missed[best] + false[best]) / 2), float(thresholds[best])
