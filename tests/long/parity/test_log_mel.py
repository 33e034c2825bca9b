"""Our log-mel against openai-whisper's, on real speech where there is some and on made sound everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from whisper.audio import log_mel_spectrogram as reference

from amanuensis.npu.log_mel import SAMPLE_RATE, IncrementalLogMel, log_mel_spectrogram

TOLERANCE = 1e-4
EVERY = 12  # one in so many recordings
CHUNK = 777  # samples


def recordings(folder: Path) -> Iterator[NDArray[np.float32]]:
    """Yield recorded speech at 16 kHz of up to 25 s."""
    for path in sorted(folder.rglob("*.flac"))[::EVERY]:
        samples, rate = soundfile.read(path, dtype="float32")
        if rate == SAMPLE_RATE and samples.ndim == 1 and 400 < len(samples) < 25 * SAMPLE_RATE:
            yield samples


def check(samples: NDArray[np.float32], n_mels: int) -> None:
    """Compare the whole recording, and a stream of it followed by silence."""
    np.testing.assert_allclose(log_mel_spectrogram(samples, n_mels), reference(samples, n_mels).numpy(), atol=TOLERANCE)
    stream = IncrementalLogMel(n_mels)
    for start in range(0, len(samples), CHUNK):
        stream.push(samples[start : start + CHUNK])
    features = stream.window(0, stream.n_frames, pad_frames=20)
    silence = np.zeros(21 * 160, np.float32)
    expected = reference(np.concatenate([samples, silence]), n_mels).numpy()[:, : features.shape[1]]
    np.testing.assert_allclose(features, expected, atol=TOLERANCE)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_real_speech(speech_dir: Path, n_mels: int) -> None:
    """Recorded speech gives the same features to 1e-4."""
    n = 0
    for samples in recordings(speech_dir):
        check(samples, n_mels)
        n += 1
    assert n > 20


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n", [201, 16_000, 48_077, 460_000])
def test_made_sound(n: int, n_mels: int) -> None:
    """Noise of changing level gives the same features to 1e-4."""
    random = np.random.default_rng(n)
    level = 10.0 ** random.uniform(-5, 0, -(-n // 1000)).repeat(1000)[:n]
    check((level * random.uniform(-1, 1, n)).astype(np.float32), n_mels)
