"""Tests of stream/resample.py."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.resample import MODEL_RATE, Quality, Resampler

RATES = [8000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000]


def rounded_length(n_samples: int, rate: int) -> int:
    """Return round(n * 16000 / rate), half up."""
    return math.floor(Fraction(n_samples * MODEL_RATE, rate) + Fraction(1, 2))


def resample(samples: np.ndarray, rate: int, sizes: list[int], quality: Quality = "HQ") -> np.ndarray:
    """Push pieces of the given sizes, over and over, then flush."""
    resampler, parts, at, i = Resampler(rate, quality), [], 0, 0
    while at < samples.size:
        parts.append(resampler.push(samples[at : at + sizes[i % len(sizes)]]))
        at += sizes[i % len(sizes)]
        i += 1
    return np.concatenate([*parts, resampler.flush()])


def tone(rate: int, seconds: float, hz: float = 440.0) -> np.ndarray:
    """Return a sine of amplitude 0.5."""
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [*RATES, 16_000, 96_000, 192_000])
def test_a_sample_lies_at_its_source_time(rate: int) -> None:
    """Output sample k is the source at k / 16000 s: a tone comes out with its phase, from start to end."""
    out = resample(tone(rate, 1.0), rate, [rate // 50])
    expected = tone(MODEL_RATE, 1.0)
    assert out.size == MODEL_RATE
    inner = slice(200, -200)  # the filter rings where the tone is cut on and off
    np.testing.assert_allclose(out[inner], expected[inner], atol=2e-3)


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    n_ms=st.integers(0, 2500),
    odd=st.integers(0, 47),
    chunks_ms=st.lists(st.integers(1, 2000), min_size=1, max_size=6),
)
def test_cuts_make_no_difference(rate: int, n_ms: int, odd: int, chunks_ms: list[int]) -> None:
    """Chunks of 1 ms to 2 s give the very samples of one push, and exactly round(n * 16000 / rate) of them."""
    samples = np.random.default_rng(n_ms).uniform(-1, 1, rate * n_ms // 1000 + odd).astype(np.float32)
    whole = resample(samples, rate, [max(1, samples.size)])
    pieces = resample(samples, rate, [max(1, rate * ms // 1000) for ms in chunks_ms])
    np.testing.assert_array_equal(pieces, whole)
    assert whole.size == rounded_length(samples.size, rate)


@settings(max_examples=60, deadline=None)
@given(rate=st.integers(8000, 192_000), n=st.integers(0, 5000))
def test_length_is_exact_at_odd_rates(rate: int, n: int) -> None:
    """Any rate and any count, however small, give round(n * 16000 / rate) samples."""
    assert resample(np.zeros(n, np.float32), rate, [997]).size == rounded_length(n, rate)


@pytest.mark.parametrize("rate", RATES)
def test_output_never_runs_ahead(rate: int) -> None:
    """No output sample comes before its source time, and the delay stays below 150 ms."""
    resampler, n_in, n_out = Resampler(rate), 0, 0
    for _ in range(200):
        n_in += rate // 100
        n_out += resampler.push(np.zeros(rate // 100, np.float32)).size
        assert n_in / rate - 0.15 <= n_out / MODEL_RATE <= n_in / rate


def test_16_khz_passes_through() -> None:
    """A source at 16 kHz is handed on without a copy."""
    samples = tone(16_000, 0.1)
    assert Resampler(16_000).push(samples) is samples


def test_frequencies_above_8_khz_are_removed() -> None:
    """A tone that 16 kHz cannot hold leaves nothing audible behind."""
    out = resample(tone(48_000, 1.0, hz=10_000), 48_000, [960])
    assert np.abs(out[800:-800]).max() < 1e-4


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_flushed_resampler_takes_no_more(rate: int) -> None:
    """After the end neither samples nor a second end are taken."""
    resampler = Resampler(rate)
    resampler.flush()
    with pytest.raises(ValueError, match="flushed already"):
        resampler.push(np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="flushed already"):
        resampler.flush()
