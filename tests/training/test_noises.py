"""Tests of the noises made by formula."""

from collections.abc import Callable

import numpy as np
import pytest

from amanuensis.training import noises
from amanuensis.training.speech import Float32

SECOND = 16_000


@pytest.mark.parametrize("kind", [*dict.fromkeys(noises.KINDS), noises.noise])
@pytest.mark.parametrize("n", [1_000, SECOND, 3 * SECOND])
def test_made_noises_have_unit_power(kind: Callable[[np.random.Generator, int], Float32], n: int) -> None:
    """Every noise is finite, as long as asked, with a root mean square of 1."""
    for seed in range(5):
        sound = kind(np.random.default_rng(seed), n)
        assert sound.shape == (n,)
        assert sound.dtype == np.float32
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(1.0, abs=1e-3)


def test_kinds_differ_in_spectrum_and_rhythm() -> None:
    """Thumps lie low, calls are tonal (few bins hold most power), clicks come in bursts and hum does not."""

    def power(sound: Float32) -> np.ndarray:
        return np.abs(np.fft.rfft(sound)) ** 2

    def share_below(sound: Float32, hz: int) -> float:
        return float(power(sound)[: hz * len(sound) // SECOND].sum() / power(sound).sum())

    def burstiness(sound: Float32) -> float:
        blocks = (sound.reshape(-1, 160) ** 2).mean(1)
        return float(blocks.max() / blocks.mean())

    def made(kind: Callable[[np.random.Generator, int], Float32]) -> Float32:
        return kind(np.random.default_rng(5), 2 * SECOND)

    assert share_below(made(noises.thumps), 1_000) > 0.8
    assert np.sort(power(made(noises.calls)))[-2500:].sum() > 0.8 * power(made(noises.calls)).sum()
    assert burstiness(made(noises.clicks)) > 3 * burstiness(made(noises.hum))
