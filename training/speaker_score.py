"""How well an embedder tells the development voices apart, each recording through a channel of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from amanuensis.npu.log_mel import SAMPLE_RATE
from amanuensis.npu.speakers import SpeakerEmbedder
from amanuensis.training.augment import level
from amanuensis.training.speech import Float32

CHANNEL_DB = 4.0  # spread of the gain at each knot
KNOTS_HZ = (100, 250, 600, 1200, 2400, 4000, 6000, 8000)


@dataclass(frozen=True)
class Windows:
    """Windows of speech; `speakers` and `recordings` say of whom and of what each one is."""

    sounds: list[Float32]
    speakers: NDArray[np.str_]
    recordings: NDArray[np.int64]


def development(folder: Path, length: int) -> Windows:
    """Return the windows of `length` samples of the recordings that `speaker_data.write_development` wrote."""
    rng = np.random.default_rng(32)
    sounds: list[Float32] = []
    speakers: list[str] = []
    recordings: list[int] = []
    for index, line in enumerate((folder / "manifest.jsonl").read_text().splitlines()):
        row = json.loads(line)
        samples = _through_channel(soundfile.read(folder / row["path"], dtype="float32")[0], rng)
        for start in range(0, len(samples) - length + 1, length):
            sounds.append(samples[start : start + length])
            speakers.append(row["speaker"])
            recordings.append(index)
    return Windows(sounds, np.array(speakers), np.array(recordings))


def _through_channel(samples: Float32, rng: np.random.Generator) -> Float32:
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    gain_db = np.interp(np.log(hz + 1), np.log(KNOTS_HZ), rng.normal(0, CHANNEL_DB, len(KNOTS_HZ)))
    changed = np.fft.irfft(np.fft.rfft(samples) * 10 ** (gain_db / 20), len(samples))
    return level(np.asarray(changed, np.float32), -25.0)


def equal_error(embedder: SpeakerEmbedder, windows: Windows) -> tuple[float, float]:
    """Return the equal-error rate over pairs of windows of different recordings, and the cosine where it is."""
    vectors = np.stack([embedder.embed(sound) for sound in windows.sounds])
    return equal_error_of(vectors @ vectors.T, windows)


def equal_error_of(scores: Float32, windows: Windows) -> tuple[float, float]:
    """Return the same for given scores, [windows, windows]."""
    left, right = np.triu_indices(len(scores), k=1)
    apart = windows.recordings[left] != windows.recordings[right]
    left, right = left[apart], right[apart]
    alike = windows.speakers[left] == windows.speakers[right]
    same, different = np.sort(scores[left, right][alike]), np.sort(scores[left, right][~alike])
    missed = np.arange(len(same)) / len(same)
    taken = 1 - np.searchsorted(different, same) / len(different)
    best = int(np.argmin(np.abs(missed - taken)))
    return float((missed[best] + taken[best]) / 2), float(same[best])
