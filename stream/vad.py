"""Is there a voice? One decision for each 20 ms: webrtcvad, an energy gate over an adaptive noise floor, and a vote."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import webrtcvad  # type: ignore[import-untyped]
from amanuensis.stream.resample import MODEL_RATE
from numpy.typing import NDArray

__all__ = ["FRAME_MS", "FRAME_SAMPLES", "VadConfig", "VoiceDetector"]

FRAME_SAMPLES: Final = 320  # 20 ms, the middle one of the three frame lengths that webrtcvad takes
FRAME_MS: Final = 1000 * FRAME_SAMPLES // MODEL_RATE
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VadConfig:
    """How eagerly a frame is taken for speech.

    Attributes:
        aggressiveness: of webrtcvad, 0 (takes most for speech) to 3.
        min_level_dbfs: frames below this level are never speech.
        min_snr_db: how far a frame must stand above the noise floor.
        floor_window_s: the noise floor is the lowest smoothed level within so many seconds.
        vote_frames, on_votes, off_votes: speech begins when at least `on_votes` of the last `vote_frames`
            frames are voiced, and ends when no more than `off_votes` are.

    """

    aggressiveness: int = 2
    min_level_dbfs: float = -60.0
    min_snr_db: float = 6.0
    floor_window_s: float = 3.0
    vote_frames: int = 8
    on_votes: int = 4
    off_votes: int = 1

    def __post_init__(self) -> None:
        if self.aggressiveness not in {0, 1, 2, 3}:
            raise ValueError(f"vad aggressiveness {self.aggressiveness!r} is not allowed: use 0, 1, 2 or 3")
        if not 0 <= self.off_votes < self.on_votes <= self.vote_frames:
            raise ValueError(
                f"vad votes {self.off_votes}, {self.on_votes} of {self.vote_frames} frames are not allowed: "
                "off_votes must be less than on_votes, and on_votes at most vote_frames"
            )


class VoiceDetector:
    """Decides for each complete frame of 320 samples at 16 kHz; how the input is cut makes no difference."""

    def __init__(self, config: VadConfig | None = None) -> None:
        self._config = config or VadConfig()
        self._vad = webrtcvad.Vad(self._config.aggressiveness)
        self._floor = NoiseFloor(self._config.floor_window_s)
        self._votes: deque[bool] = deque(maxlen=self._config.vote_frames)
        self._speech = False
        self._rest: Samples = np.zeros(0, np.float32)

    @property
    def pending_samples(self) -> int:
        """Samples of an incomplete frame that wait for the rest of it."""
        return self._rest.size

    def push(self, samples: Samples) -> list[bool]:
        """Take float32 [n] at 16 kHz; return a decision for each frame that is complete now."""
        if self._rest.size:
            samples = np.concatenate([self._rest, samples])
        n_frames = samples.size // FRAME_SAMPLES
        self._rest = samples[n_frames * FRAME_SAMPLES :].copy()
        frames = samples[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES)
        return self._decide(frames)

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
        levels = _levels_dbfs(frames)
        pcm = (np.clip(frames, -1.0, 1.0) * np.float32(32767)).astype("<i2").tobytes()
        step = 2 * FRAME_SAMPLES
        voiced = [self._vad.is_speech(pcm[i * step : (i + 1) * step], MODEL_RATE) for i in range(len(frames))]
        return [self._vote(v and self._loud(level)) for v, level in zip(voiced, levels.tolist(), strict=True)]

    def _loud(self, level_dbfs: float) -> bool:
        floor = self._floor.update(level_dbfs)
        return level_dbfs >= max(self._config.min_level_dbfs, floor + self._config.min_snr_db)

    def _vote(self, voiced: bool) -> bool:
        self._votes.append(voiced)
        n = sum(self._votes)
        self._speech = n > self._config.off_votes if self._speech else n >= self._config.on_votes
        return self._speech


class NoiseFloor:
    """The level of the background: the minimum of the smoothed level over a sliding window (after Martin, 2001)."""

    def __init__(self, window_s: float, start_dbfs: float = -70.0) -> None:
        self._block_frames = max(1, round(window_s * 1000 / FRAME_MS / 8))
        self._minima: deque[float] = deque([start_dbfs], maxlen=8)
        self._smoothed: float | None = None
        self._block_min = float("inf")
        self._in_block = 0

    def update(self, level_dbfs: float) -> float:
        """Take the level of one more frame; return the floor, both in dBFS."""
        before = level_dbfs if self._smoothed is None else self._smoothed
        self._smoothed = before + 0.3 * (level_dbfs - before)
        self._block_min = min(self._block_min, self._smoothed)
        self._in_block += 1
        if self._in_block == self._block_frames:
            self._minima.append(self._block_min)
            self._block_min, self._in_block = float("inf"), 0
        return min(*self._minima, self._block_min)


def _levels_dbfs(frames: Samples) -> NDArray[np.float64]:
    """Return the level of each row of float32 [n, 320] in dB of a full-scale square wave, -120 at the least."""
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frames.shape[1]
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(power, 1e-12))
    return levels
