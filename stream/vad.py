"""Is there a voice? One decision for each 20 ms: webrtcvad, an energy gate over an adaptive noise floor, and a vote."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from amanuensis.stream.bounds import check_bounds
from amanuensis.stream.resample import MODEL_RATE

__all__ = ["FRAME_MS", "FRAME_SAMPLES", "NoiseFloor", "VadConfig", "VoiceDetector"]

FRAME_SAMPLES: Final = 320  # 20 ms, the middle one of the three frame lengths that webrtcvad takes
FRAME_MS: Final = 1000 * FRAME_SAMPLES // MODEL_RATE
LAG: Final = 8  # samples: x[n] - x[n - 8] is strongest at 1 kHz and takes 16 dB off rumble and hum at 100 Hz
LOWEST_DBFS: Final = -120.0
# Numbers of no axes: of a scalar NumPy would make an array for each frame.
LEAST_POWER: Final = np.array(10 ** (LOWEST_DBFS / 10), np.float32)
DECIBELS: Final = np.array(10, np.float32)
FULL_SCALE: Final = np.array(32767, np.float32)
N_BLOCKS: Final = 8  # of the window of the noise floor: minima are kept by block, not by frame
SMOOTHING: Final = 0.3  # of the level, a time constant of about 60 ms
MAX_VOTE_FRAMES: Final = 50  # 1 s
BOUNDS: Final = (
    ("min_level_dbfs", -120.0, 0.0),
    ("min_snr_db", 0.0, 60.0),
    ("floor_window_s", 0.1, 60.0),
    ("steady_s", 0.1, 60.0),
    ("steady_db", 0.0, 60.0),
)
Samples: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VadConfig:
    """How eagerly a frame is taken for speech.

    Attributes:
        aggressiveness: of webrtcvad, 0 (takes most for speech) to 3.
        min_level_dbfs: frames below this level are never speech.
        min_snr_db: how far a frame must stand above the noise floor in the band of voices.
        floor_window_s: the noise floor is the lowest smoothed level within so many seconds.
        steady_s, steady_db: a sound whose level stays within `steady_db` for `steady_s` is background, however loud.
        vote_frames, on_votes, off_votes: speech begins when at least `on_votes` of the last `vote_frames`
            frames are voiced, and ends when no more than `off_votes` are.

    Raises:
        ValueError: a value is not allowed.

    """

    aggressiveness: int = 1
    min_level_dbfs: float = -65.0
    min_snr_db: float = 4.0
    floor_window_s: float = 3.0
    steady_s: float = 0.8
    steady_db: float = 3.0
    vote_frames: int = 5
    on_votes: int = 3
    off_votes: int = 1

    def __post_init__(self) -> None:
        if self.aggressiveness not in {0, 1, 2, 3}:
            raise ValueError(f"vad aggressiveness {self.aggressiveness!r} is not allowed: use 0, 1, 2 or 3")
        if not 0 <= self.off_votes < self.on_votes <= self.vote_frames <= MAX_VOTE_FRAMES:
            raise ValueError(
                f"vad votes {self.off_votes}, {self.on_votes} of {self.vote_frames} frames are not allowed: "
                f"off_votes must be below on_votes, on_votes at most vote_frames, and that at most {MAX_VOTE_FRAMES}"
            )
        check_bounds("vad", self, BOUNDS)


class VoiceDetector:
    """Decides for each complete frame of 320 samples at 16 kHz; how the input is cut makes no difference."""

    def __init__(self, config: VadConfig | None = None) -> None:
        self._config = config or VadConfig()
        self._vad = webrtcvad.Vad(self._config.aggressiveness)
        self._floor = NoiseFloor(self._config)
        self._votes: deque[bool] = deque(maxlen=self._config.vote_frames)
        self._speech = False
        self._rest: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> list[bool]:
        """Take float32 [n] at 16 kHz; return a decision for each frame that is complete now."""
        if self._rest.size:
            samples = np.concatenate([self._rest, samples])
        n_frames = samples.size // FRAME_SAMPLES
        self._rest = samples[n_frames * FRAME_SAMPLES :].copy()
        return self._decide(samples[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES))

    def flush(self) -> list[bool]:
        """Decide for the last, shorter frame as if zeros followed; no decision when there is none."""
        if not self._rest.size:
            return []
        frame = np.pad(self._rest, (0, FRAME_SAMPLES - self._rest.size))
        self._rest = self._rest[:0]
        return self._decide(frame[np.newaxis])

    def _decide(self, frames: Samples) -> list[bool]:
        if not frames.size:
            return []
        levels = _levels_dbfs(frames).tolist()
        voice_band = _levels_dbfs(frames[:, LAG:] - frames[:, :-LAG]).tolist()
        pcm = frames * FULL_SCALE
        pcm = np.clip(pcm, -FULL_SCALE, FULL_SCALE, out=pcm).astype("<i2")
        voiced = [self._vad.is_speech(frame.tobytes(), MODEL_RATE) for frame in pcm]  # all: it learns from silence
        return [
            self._vote(self._is_loud(level, band_level) and voice)
            for voice, level, band_level in zip(voiced, levels, voice_band, strict=True)
        ]

    def _is_loud(self, level_dbfs: float, band_dbfs: float) -> bool:
        floor = self._floor.update(band_dbfs)
        return level_dbfs >= self._config.min_level_dbfs and band_dbfs >= floor + self._config.min_snr_db

    def _vote(self, voiced: bool) -> bool:
        self._votes.append(voiced)
        n = sum(self._votes)
        self._speech = n > self._config.off_votes if self._speech else n >= self._config.on_votes
        return self._speech


class NoiseFloor:
    """The level of the background.

    It is the minimum of the smoothed level over a sliding window (after Martin, 2001); a sound of steady level is
    background at once, since speech never keeps its level: in 22 minutes of recorded speech no 0.8 s stay within 3 dB.
    """

    def __init__(self, config: VadConfig) -> None:
        self._steady_db = config.steady_db
        self._recent: deque[float] = deque(maxlen=_frames(config.steady_s))
        self._block_frames = _frames(config.floor_window_s / N_BLOCKS)
        self._minima: deque[float] = deque([LOWEST_DBFS], maxlen=N_BLOCKS)
        self._smoothed = 0.0
        self._block_min = np.inf
        self._in_block = 0

    def update(self, level_dbfs: float) -> float:
        """Take the level of one more frame; return the floor, both in dBFS."""
        self._recent.append(level_dbfs)
        self._smoothed += SMOOTHING * (level_dbfs - self._smoothed)
        self._block_min = min(self._block_min, self._smoothed)
        self._in_block += 1
        if self._in_block == self._block_frames:
            self._end_block(self._block_min)
        if len(self._recent) == self._recent.maxlen and max(self._recent) - min(self._recent) <= self._steady_db:
            self._minima.clear()
            self._end_block(sum(self._recent) / len(self._recent))
        return min(*self._minima, self._block_min)

    def _end_block(self, minimum: float) -> None:
        self._minima.append(minimum)
        self._block_min = np.inf
        self._in_block = 0


def _frames(seconds: float) -> int:
    return max(1, round(seconds * 1000 / FRAME_MS))


def _levels_dbfs(frames: Samples) -> Samples:
    """Return the level of each row of float32 [n, m] in dB of a full-scale square wave, float32, -120 at the least."""
    levels: Samples = np.einsum("ij,ij->i", frames, frames)
    levels /= frames.shape[1]
    np.log10(np.maximum(levels, LEAST_POWER, out=levels), out=levels)
    levels *= DECIBELS
    return levels
