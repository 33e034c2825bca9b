"""Whisper's log-mel spectrogram.

Source of the definition: openai/whisper `whisper/audio.py` (16 kHz, 25 ms Hann window, 10 ms hop, Slaney mel
filters, log10, clamp to 8 below the maximum, scale to about [-1, 1]).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
N_FFT = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
MARGIN_SAMPLES = N_FFT // 2  # a frame reaches so far to either side of its centre
SILENCE_LOG10_MEL = -10.0
FLOOR = np.array(10.0**SILENCE_LOG10_MEL, np.float32)  # of the energies
MAX_WINDOW_FRAMES = 3000  # 30 s: what Whisper's encoder takes
BLOCK_FRAMES = 128  # transformed at once: 0.2 MB of samples, which stays in the cache

Float32 = NDArray[np.float32]


@cache
def mel_filters(n_mels: int) -> Float32:
    """Return the Slaney-style mel filter bank, float32 [n_mels, N_FFT // 2 + 1]."""
    linear_step, log_start_hz = 200.0 / 3, 1000.0
    log_start_mel, log_step = log_start_hz / linear_step, np.log(6.4) / 27.0

    def to_mel(hz: float) -> float:
        return hz / linear_step if hz < log_start_hz else log_start_mel + np.log(hz / log_start_hz) / log_step

    mels = np.linspace(0.0, to_mel(SAMPLE_RATE / 2), n_mels + 2)
    edges = np.where(mels < log_start_mel, mels * linear_step, log_start_hz * np.exp(log_step * (mels - log_start_mel)))
    bins = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return np.asarray(weights, np.float32)


@cache
def hann_window() -> Float32:
    """Return the periodic Hann window, float32 [N_FFT]."""
    phase = 2 * np.pi * np.arange(N_FFT) / N_FFT
    return np.asarray(0.5 - 0.5 * np.cos(phase), np.float32)


def log10_mel(padded: Float32, n_mels: int) -> Float32:
    """Return log10 mel energies, float32 [n_mels, n_frames], of samples already padded by MARGIN_SAMPLES in front."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_SAMPLES]
    energies = np.empty((n_mels, len(frames)), np.float32)
    for start in range(0, len(frames), BLOCK_FRAMES):
        spectrum = np.fft.rfft(frames[start : start + BLOCK_FRAMES] * hann_window(), axis=1)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag, out=spectrum.imag)
        np.matmul(mel_filters(n_mels), power.T, out=energies[:, start : start + BLOCK_FRAMES])
    np.maximum(energies, FLOOR, out=energies)
    return np.log10(energies, out=energies)


def scale(log_mel: Float32) -> Float32:
    """Clamp in place to 8 below the maximum and scale as Whisper's encoder expects; return the same array."""
    np.maximum(log_mel, log_mel.max() - 8.0, out=log_mel)
    log_mel += 4.0
    log_mel /= 4.0
    return log_mel


def log_mel_spectrogram(samples: Float32, n_mels: int = 80) -> Float32:
    """Return Whisper's features of a whole recording.

    Args:
        samples: float32 [n], 16 kHz mono in [-1, 1], n > MARGIN_SAMPLES.
        n_mels: 80, or 128 for large-v3.

    Returns:
        float32 [n_mels, n // HOP_SAMPLES], equal to openai/whisper's, which drops the last frame.

    """
    padded = np.pad(samples, MARGIN_SAMPLES, mode="reflect")
    return scale(log10_mel(padded[: _n_samples_of(len(samples) // HOP_SAMPLES)], n_mels))


class IncrementalLogMel:
    """Log-mel of a stream of samples, every frame computed once.

    Frame k is centred on sample k * HOP_SAMPLES of the stream; n samples make n // HOP_SAMPLES frames, as in
    `log_mel_spectrogram`. The beginning of the stream is reflected as there; its end is followed by zeros.

    Args:
        n_mels: 80, or 128 for large-v3.
        max_frames: frames kept, at least BLOCK_FRAMES; beyond that the oldest ones are forgotten.

    """

    def __init__(self, n_mels: int, max_frames: int = MAX_WINDOW_FRAMES + 500) -> None:
        self._n_mels = n_mels
        self._max_frames = max(max_frames, BLOCK_FRAMES)
        self._n_samples = 0
        self._reflected = False  # the beginning stands in `_pending`
        self._pending: Float32 = np.zeros(0, np.float32)  # padded samples from the first frame not in the store on
        self._store: Float32 = np.empty((n_mels, min(1024, self._max_frames)), np.float32)  # log10 mel
        self._store_frame = 0  # frame in the store's first column
        self._first = 0
        self._complete = 0  # frames before this one are in the store

    @property
    def n_frames(self) -> int:
        """Frames of all samples so far, forgotten ones included."""
        return self._n_samples // HOP_SAMPLES

    @property
    def first_frame(self) -> int:
        """The oldest frame that is kept."""
        return self._first

    def push(self, samples: Float32) -> None:
        """Take the next samples: float32 [n], 16 kHz mono in [-1, 1], any n."""
        self._n_samples += len(samples)
        pending = np.concatenate([self._pending, samples])
        if not self._reflected and len(pending) > MARGIN_SAMPLES:
            pending, self._reflected = _reflect_beginning(pending), True
        if self._reflected and len(pending) >= N_FFT:
            n_new = (len(pending) - N_FFT) // HOP_SAMPLES + 1
            for start in range(0, n_new, BLOCK_FRAMES):
                block = pending[start * HOP_SAMPLES :][: _n_samples_of(min(BLOCK_FRAMES, n_new - start))]
                self._append(log10_mel(block, self._n_mels))
            pending = pending[n_new * HOP_SAMPLES :].copy()
        self._pending = pending

    def window(self, start_frame: int, stop_frame: int, pad_frames: int = 0) -> Float32:
        """Return the scaled features of frames start_frame to stop_frame, then of silence.

        Args:
            start_frame: not before `first_frame`.
            stop_frame: after start_frame, at most `n_frames`.
            pad_frames: frames of silence after them. At the end of the audio (stop_frame == n_frames) they are what
                zeros after the last sample give.

        Returns:
            float32 [n_mels, stop_frame - start_frame + pad_frames], a new array, clamped by its own maximum.

        Raises:
            ValueError: the frames are not kept, or there are none or more than MAX_WINDOW_FRAMES.

        """
        n_frames = stop_frame - start_frame + pad_frames
        if not (self._first <= start_frame < stop_frame <= self.n_frames and pad_frames >= 0):
            kept = f"{self._first} to {self.n_frames}"
            raise ValueError(f"frames {start_frame} to {stop_frame} (+{pad_frames}): frames {kept} are kept")
        if n_frames > MAX_WINDOW_FRAMES:
            raise ValueError(f"window of {n_frames} frames: at most {MAX_WINDOW_FRAMES} are allowed")
        features = np.full((self._n_mels, n_frames), SILENCE_LOG10_MEL, np.float32)
        stored = slice(start_frame - self._store_frame, min(stop_frame, self._complete) - self._store_frame)
        n_stored = max(0, stored.stop - stored.start)
        features[:, :n_stored] = self._store[:, stored.start : stored.start + n_stored]
        n_tail = min(n_frames - n_stored, self._n_tail_frames() if stop_frame == self.n_frames else 0)
        if n_tail:
            features[:, n_stored : n_stored + n_tail] = self._tail(n_tail)
        return scale(features)

    def drop_before(self, frame: int) -> None:
        """Forget the frames before this one."""
        self._first = max(self._first, min(frame, self._complete))

    def _n_tail_frames(self) -> int:
        """Return how many frames after the complete ones have samples in them."""
        stop = -(-(self._n_samples + MARGIN_SAMPLES) // HOP_SAMPLES)
        return stop - self._complete

    def _tail(self, n: int) -> Float32:
        """Return log10 mel of the n frames after the complete ones, with zeros after the last sample."""
        padded = np.zeros(_n_samples_of(n), np.float32)
        pending = self._pending
        if not self._reflected:
            beginning = np.zeros(MARGIN_SAMPLES + 1, np.float32)
            beginning[: len(pending)] = pending
            pending = _reflect_beginning(beginning)
        length = min(len(padded), len(pending))
        padded[:length] = pending[:length]
        return log10_mel(padded, self._n_mels)

    def _append(self, frames: Float32) -> None:
        n = frames.shape[1]
        self._first = max(self._first, self._complete + n - self._max_frames)
        if self._complete - self._store_frame + n > self._store.shape[1]:
            self._make_room(n)
        at = self._complete - self._store_frame
        self._store[:, at : at + n] = frames
        self._complete += n

    def _make_room(self, n: int) -> None:
        """Move the kept frames to the front of the store, of a larger one where they fill more than half of it."""
        kept = self._store[:, self._first - self._store_frame : self._complete - self._store_frame]
        n_kept, capacity = kept.shape[1], self._store.shape[1]
        while 2 * n_kept > capacity - n and capacity < self._max_frames + BLOCK_FRAMES:
            capacity = min(2 * capacity, self._max_frames + BLOCK_FRAMES)
        store = self._store if capacity == self._store.shape[1] else np.empty((self._n_mels, capacity), np.float32)
        store[:, :n_kept] = kept
        self._store, self._store_frame = store, self._first


def _reflect_beginning(samples: Float32) -> Float32:
    """Return more than MARGIN_SAMPLES samples with their reflection about the first one before them."""
    return np.concatenate([samples[MARGIN_SAMPLES:0:-1], samples])


def _n_samples_of(n_frames: int) -> int:
    return (n_frames - 1) * HOP_SAMPLES + N_FFT
