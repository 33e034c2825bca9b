"""What a voice sounds like, by formula: frames of speech, cepstra and pitch of a few seconds of one speaker.

MFCC: Davis and Mermelstein 1980, here from the natural logarithm of Whisper's 80 mel energies; pitch by the
autocorrelation of Boersma 1993, which divides by that of the window.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.log_mel import MARGIN_SAMPLES, N_FFT, SAMPLE_RATE, log10_mel

N_MELS: Final = 80
N_CEPSTRA: Final = 19  # 1 to 19: the zeroth is loudness
SPEECH_RANGE_LOG10: Final = 3.0  # frames more than 30 dB below the loud ones are pauses
LOUD_QUANTILE: Final = 0.95
MIN_SPEECH_FRAMES: Final = 20  # 0.2 s; with fewer everything is taken as speech
MAX_FRAMES: Final = 600  # of the network, 6 s: more adds nothing and the cost grows with it
MIN_FRAMES: Final = 16
DEVICE_FRAMES: Final = 256  # longest window that is computed on a device; those of a talk have 200
EMPTY_LOG10: Final = 7.0  # a band 70 dB below speech holds nothing: microphones, rooms and 16 bits are louder
BAND_QUANTILE: Final = 0.9  # of frames: a click, or a cut between words, has all bands
TELEPHONE_BANDS: Final = 66  # to 4.6 kHz: sound of 8 kHz ends in the 62nd
_SLOPE_BANDS: Final = 3  # of the filter that ended the band
_NEAR_BANDS: Final = 12  # below that, for the level of what is not there

PITCH_LOW_HZ: Final = 60.0
PITCH_HIGH_HZ: Final = 400.0
VOICED_ABOVE: Final = 0.5  # of the autocorrelation at the period
_PITCH_WINDOW: Final = 800  # 50 ms: three periods of the lowest voice
_PITCH_HOP: Final = 320  # 20 ms
_PITCH_LAGS: Final = int(SAMPLE_RATE / PITCH_LOW_HZ)  # of the autocorrelation that are looked at
_PITCH_FFT: Final = 1080  # at least window and lags; a product of small primes: 4 times as fast as 2048
_PITCH_BLOCK: Final = 32  # frames at a time: their spectra need little memory

Float32 = NDArray[np.float32]


def speech_mel(samples: Float32) -> Float32:
    """Return the natural log-mel energies of the frames that hold speech.

    Args:
        samples: float32 [n], 16 kHz mono; short ones are padded with zeros to one frame.

    Returns:
        float32 [frames, N_MELS], pauses left out.

    """
    short = max(0, N_FFT - len(samples))
    padded = np.pad(np.pad(samples, (0, short)), MARGIN_SAMPLES, mode="reflect")
    log10 = log10_mel(padded, N_MELS).T
    loudness = np.log10(np.sum(10.0**log10, axis=1))
    spoken = loudness > _quantile(loudness, LOUD_QUANTILE) - SPEECH_RANGE_LOG10
    kept = log10[spoken] if np.count_nonzero(spoken) >= MIN_SPEECH_FRAMES else log10
    return np.asarray(kept * np.float32(np.log(10.0)), np.float32)


def normalised(mel: Float32) -> Float32:
    """Return the features of the network: at most MAX_FRAMES from the middle, around the mean of them all.

    Args:
        mel: natural log-mel energies, float32 [frames, N_MELS].

    Returns:
        float32 [MIN_FRAMES to MAX_FRAMES, N_MELS]; fewer frames are repeated.

    """
    excess = max(0, len(mel) - MAX_FRAMES) // 2
    cut = mel[excess : excess + MAX_FRAMES]
    repeated = np.resize(cut, (max(len(cut), MIN_FRAMES), N_MELS))
    return np.asarray(repeated - repeated.mean(), np.float32)


def with_whole_band(mel: Float32, usual: Float32) -> Float32:
    """Return frames of a telephone as a microphone might have them: else all voices are alike in what they lack.

    Args:
        mel: natural log-mel energies, float32 [frames, N_MELS].
        usual: log-mel spectrum of voices on the average, float32 [N_MELS].

    Returns:
        `mel` itself where the sound goes beyond 4.6 kHz; else the bands above its end are the usual ones, by the level
        of each frame just below.

    """
    loud = _quantile(np.log(np.sum(np.exp(mel), axis=1)), LOUD_QUANTILE)
    tops = np.sort(mel, axis=0)[int(BAND_QUANTILE * (len(mel) - 1))]
    held = np.flatnonzero(tops > loud - EMPTY_LOG10 * np.log(10.0))
    edge = held[-1] + 1 - _SLOPE_BANDS if len(held) else 0
    if not _NEAR_BANDS <= edge <= TELEPHONE_BANDS - _SLOPE_BANDS:
        return mel
    near = slice(edge - _NEAR_BANDS, edge)
    filled = mel.copy()
    filled[:, edge:] = mel[:, near].mean(axis=1, keepdims=True) + usual[edge:] - usual[near].mean()
    return filled


def spectrum_of(cepstra: Float32) -> Float32:
    """Return the smooth log-mel spectrum around its mean that has these MFCC, 1 to N_CEPSTRA: float32 [N_MELS]."""
    return np.asarray(_cosines() @ cepstra, np.float32)


@cache
def _cosines() -> Float32:
    """Return the rows 1 to N_CEPSTRA of the orthonormal DCT-II, float32 [N_MELS, N_CEPSTRA]."""
    at = (np.arange(N_MELS) + 0.5) * np.pi / N_MELS
    table = np.cos(at[:, None] * np.arange(1, N_CEPSTRA + 1)) * np.sqrt(2.0 / N_MELS)
    return np.asarray(table, np.float32)


def mfcc(mel: Float32) -> Float32:
    """Return MFCC 1 to N_CEPSTRA of natural log-mel energies, float32 [frames, N_CEPSTRA]."""
    return np.asarray(mel @ _cosines(), np.float32)


def cepstral_statistics(mel: Float32) -> Float32:
    """Return means, then standard deviations, of MFCC 1 to N_CEPSTRA over frames: float32 [2 * N_CEPSTRA]."""
    cepstra = mfcc(mel)
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0)]).astype(np.float32)


def median_pitch_hz(samples: Float32) -> float | None:
    """Return the median pitch of the voiced frames, or None when fewer than five are voiced.

    Args:
        samples: float32 [n], 16 kHz mono.

    """
    if len(samples) < _PITCH_WINDOW:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, _PITCH_WINDOW)[::_PITCH_HOP]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * _pitch_window()
    loud = np.sum(frames**2, axis=1)
    correlation = _autocorrelation(frames[loud > loud.max() * 1e-3])
    lags = np.arange(int(SAMPLE_RATE / PITCH_HIGH_HZ), _PITCH_LAGS)
    normal = correlation[:, lags] / (correlation[:, :1] + 1e-12) / _window_correlation()[lags]
    normal -= 0.02 * np.log2(lags / lags[0])  # of equal peaks the shortest period: octaves below are peaks too
    best = normal.argmax(axis=1)
    voiced = normal[np.arange(len(best)), best] > VOICED_ABOVE
    if np.count_nonzero(voiced) < 5:
        return None
    return _quantile(SAMPLE_RATE / lags[best[voiced]], 0.5)


@cache
def _pitch_window() -> Float32:
    return np.hanning(_PITCH_WINDOW).astype(np.float32)


@cache
def _window_correlation() -> Float32:
    correlation = _autocorrelation(_pitch_window()[None])[0]
    return np.asarray(correlation / correlation[0], np.float32)


def _autocorrelation(frames: Float32) -> Float32:
    """Return the products of frames [n, _PITCH_WINDOW] with themselves, summed at each lag: [n, _PITCH_LAGS]."""
    found = np.empty((len(frames), _PITCH_LAGS), np.float32)
    for at in range(0, len(frames), _PITCH_BLOCK):
        spectrum = np.fft.rfft(frames[at : at + _PITCH_BLOCK], _PITCH_FFT, axis=1)
        powers = spectrum.real**2 + spectrum.imag**2
        found[at : at + _PITCH_BLOCK] = np.fft.irfft(powers, _PITCH_FFT, axis=1)[:, :_PITCH_LAGS]
    return found


def _quantile(values: NDArray[np.floating[Any]], share: float) -> float:
    """Return what `np.quantile` does, which would load masked arrays: 2 MB for nothing."""
    return float(np.interp(share * (len(values) - 1), np.arange(len(values)), np.sort(values)))
