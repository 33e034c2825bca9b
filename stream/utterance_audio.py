"""The sound of one utterance: its log-mel frames, computed once each, and its pauses."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.log_mel import HOP_SAMPLES, N_FFT, IncrementalLogMel
from amanuensis.stream.ring import SampleRing
from amanuensis.stream.vad import FRAME_SAMPLES
from amanuensis.stream.voice_map import VoiceMap

__all__ = ["UtteranceAudio"]

SMOOTH_HOPS: Final = 5  # energy is averaged over 50 ms when the quietest place is looked for


class UtteranceAudio:
    """Sound from `origin` on. Frames are computed when a window asks for them, so an idle stream costs none."""

    def __init__(self, origin: int, ring: SampleRing, voices: VoiceMap, n_mels: int) -> None:
        self._origin = origin
        self._ring = ring
        self._voices = voices
        self._mel = IncrementalLogMel(n_mels)
        self._fed = origin

    @property
    def stop(self) -> int:
        """How far it is known what is speech."""
        return self._voices.stop_frame * FRAME_SAMPLES

    def features(self, start: int, stop: int, lead_frames: int, pad_frames: int) -> NDArray[np.float32]:
        """Return scaled log-mel of [start, stop) between frames of silence; `start` never goes back."""
        self._mel.drop_before((start - self._origin) // HOP_SAMPLES)
        wanted = min(stop + N_FFT // 2, self._ring.stop)  # the last frame reaches past the end
        if wanted > self._fed:
            self._mel.push(self._ring.view(self._fed, wanted))
            self._fed = wanted
        first, last = ((position - self._origin) // HOP_SAMPLES for position in (start, stop))
        features = self._mel.window(first, last, pad_frames)
        if not lead_frames:
            return features
        return np.pad(features, ((0, 0), (lead_frames, 0)), constant_values=features.min())

    def voiced_spans(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of [start, stop) that are speech, in order."""
        return self._voices.spans(start, stop)

    def quietest(self, start: int, stop: int) -> int:
        """Return the middle of the quietest 50 ms in [start, stop); the middle of all when it is too short for that."""
        start, stop = max(start, self._ring.start), min(stop, self._ring.stop)
        n_hops = (stop - start) // HOP_SAMPLES
        if n_hops < SMOOTH_HOPS:
            return (start + stop) // 2
        hops = self._ring.view(start, start + n_hops * HOP_SAMPLES).reshape(n_hops, HOP_SAMPLES)
        energy = np.convolve(np.einsum("ij,ij->i", hops, hops), np.ones(SMOOTH_HOPS), mode="valid")
        return start + (int(energy.argmin()) * 2 + SMOOTH_HOPS) * HOP_SAMPLES // 2
