"""Log-mel features on a core, against the reference, the fast transform, and Whisper's definition on real speech."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amanuensis.kernels.dtypes import BFLOAT16, Float32, to_f32
from amanuensis.kernels.entries import entry
from amanuensis.kernels.entries_rows import WINDOW_WORDS
from amanuensis.kernels.host.call import bind
from amanuensis.kernels.layout import BF16_A, Block, pad, unpack
from amanuensis.kernels.mel_layout import N_STEPS, N_TILES, TILE_BINS, filter_tiles, transform_tiles
from amanuensis.kernels.reference.log_mel import N_BINS, N_FFT, log_mel_device
from amanuensis.npu.log_mel import hann_window, log_mel_spectrogram, mel_filters
from tests.kernels.cores import ARCHITECTURES, empty, needs_compiler, placed
from tests.kernels.speech import frames_of, made_sound, recordings

pytestmark = needs_compiler

ROWS = 16  # frames at a time
SECONDS = 2.0  # of each recording
TRANSFORM_CORRELATION, FEATURE_CORRELATION = 0.9999, 0.999


@cache
def kernel(name: str, architecture: str, n_mels: int) -> Any:
    """Return an entry point at the sizes of these tests; that each sets its modes itself is tested for all at once."""
    sizes = {"m": ROWS, "k": TILE_BINS, "n": n_mels} if name.startswith("gemm") else {"m": ROWS, "n": n_mels}
    return bind(entry(name, **sizes), architecture)


def operand_of(frames: Float32, architecture: str) -> Any:
    """Return ROWS frames split and packed by a core."""
    a = empty(2 * ROWS * N_FFT, BFLOAT16)
    for block in range(ROWS // 4):
        kernel("log_mel_frames", architecture, 80)(placed(frames[4 * block : 4 * block + 4]), a, block)
    return a


def sums_of(a: Any, tile: int, architecture: str) -> Float32:
    """Return the sums of a tile of bins, poisoned before the first step."""
    sums: Float32 = empty(ROWS * 2 * TILE_BINS, np.float32)
    for step in range(N_STEPS):
        kernel("log_mel_transform", architecture, 80)(a, placed(transform_tiles()[tile, step].ravel()), sums, step)
    return sums


def spectrum_on_core(frames: Float32, architecture: str) -> np.ndarray:
    """Return the transform of windowed frames, complex [n, 201], n a multiple of ROWS."""
    found = np.empty((len(frames), N_TILES * TILE_BINS), np.complex64)
    for first in range(0, len(frames), ROWS):
        a = operand_of(frames[first : first + ROWS], architecture)
        for tile in range(N_TILES):
            both = unpack(sums_of(a, tile, architecture), ROWS, 2 * TILE_BINS, Block(4, 4))
            bins = both[:, :TILE_BINS] + 1j * both[:, TILE_BINS:]
            found[first : first + ROWS, tile * TILE_BINS : (tile + 1) * TILE_BINS] = bins
    return found[:, :N_BINS]


def features_on_core(frames: Float32, n_mels: int, architecture: str) -> Float32:
    """Return the features of a window, [n, n_mels], frames filled up to whole tiles with loud noise."""
    call = {
        name: kernel(name, architecture, n_mels)
        for name in (
            "log_mel_powers",
            "gemm_bf16_zero",
            "gemm_bf16_mac",
            "log_mel_begin",
            "log_mel_logs",
            "log_mel_scale",
        )
    }
    filled = pad(frames, ROWS, 1)
    filled[len(frames) :] = 100
    logs = empty((len(filled), n_mels), np.float32)
    features = empty(logs.shape, np.float32)
    window, powers = empty(WINDOW_WORDS, np.int32), empty(ROWS * TILE_BINS, BFLOAT16)
    mel = empty(ROWS * n_mels, np.float32)
    filters = [placed(tile) for tile in filter_tiles(mel_filters(n_mels))]
    call["log_mel_begin"](window, len(frames))
    for first in range(0, len(filled), ROWS):
        a = operand_of(filled[first : first + ROWS], architecture)
        call["gemm_bf16_zero"](mel)
        for tile in range(N_TILES):
            call["log_mel_powers"](sums_of(a, tile, architecture), powers)
            call["gemm_bf16_mac"](powers, filters[tile], mel)
        call["log_mel_logs"](mel, logs[first : first + ROWS], window)
    for first in range(0, len(filled), ROWS):
        call["log_mel_scale"](logs[first : first + ROWS], window, features[first : first + ROWS])
    return features[: len(frames)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sums_are_the_transform(architecture: str) -> None:
    """Cosine and sine sums of made sound are NumPy's fast transform of the windowed frames, within 2e-5 of its size."""
    frames = frames_of(made_sound())[: 2 * ROWS]
    truth = np.fft.rfft(frames * hann_window(), axis=1)
    found = spectrum_on_core(frames, architecture)
    assert np.corrcoef(np.abs(found).ravel(), np.abs(truth).ravel())[0, 1] > TRANSFORM_CORRELATION
    assert np.abs(found - truth).max() < 2e-5 * np.abs(truth).max()


def test_powers_are_squared_and_packed() -> None:
    """The powers of a tile lie as the next product reads them, rounded to bf16."""
    sums = np.random.default_rng(3).standard_normal((ROWS, 2 * TILE_BINS)).astype(np.float32)
    blocks = sums.reshape(ROWS // 4, 4, -1, 4).transpose(0, 2, 1, 3)
    powers = empty(ROWS * TILE_BINS, BFLOAT16)
    kernel("log_mel_powers", "npu1", 80)(placed(np.ascontiguousarray(blocks)), powers)
    found = to_f32(unpack(powers, ROWS, TILE_BINS, BF16_A))
    assert np.allclose(found, sums[:, :TILE_BINS] ** 2 + sums[:, TILE_BINS:] ** 2, rtol=2**-8)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("n_mels", [80, 128])
def test_features_are_the_references(n_mels: int, architecture: str) -> None:
    """Features of made sound are those of the device's arithmetic; frames that fill the last tile do not count."""
    frames = frames_of(made_sound())[:90]  # no multiple of the tile
    found = features_on_core(frames, n_mels, architecture)
    expected = log_mel_device(frames, mel_filters(n_mels))
    print(f"log-mel, {n_mels} mels: largest difference to the reference {np.abs(found - expected).max():.1e}")
    assert np.abs(found - expected).max() < 2e-3  # a power at a tie of bf16 may round the other way: 2**-8 / 4 / ln 10


@pytest.mark.parametrize("n_mels", [80, 128])
def test_features_of_real_speech_are_whispers(speech_dir: Path, n_mels: int) -> None:
    """On recorded speech transform and features correlate with NumPy's and Whisper's, and every mel bin lives."""
    sounds = recordings(speech_dir, SECONDS)
    assert len(sounds) >= 3
    for sound in sounds:
        frames = frames_of(sound)
        truth, found = log_mel_spectrogram(sound, n_mels).T, features_on_core(frames, n_mels, "npu1")
        few = frames[len(frames) // 2 :][:ROWS]
        exact = np.fft.rfft(few * hann_window(), axis=1)
        transform = np.corrcoef(np.abs(spectrum_on_core(few, "npu1")).ravel(), np.abs(exact).ravel())[0, 1]
        feature = np.corrcoef(found.ravel(), truth.ravel())[0, 1]
        print(f"speech, {n_mels} mels: correlation of the transform {transform:.7f}, of features {feature:.7f}")
        assert transform >= TRANSFORM_CORRELATION
        assert feature >= FEATURE_CORRELATION
        assert (found.std(axis=0) > 0).all()
