"""The noise of sampling: reproducible, uniform, Gumbel, independent of what is asked beside it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.kernels.reference.noise import Noise, gumbel, mix, uniform
from tests.kernels.figures import PATIENT

IDS = np.arange(51_865)
KEPT = Noise(IDS)
KNOWN = [0.1143675446510315, 0.09278959035873413, 0.2892158627510071]  # seed 7, position 3, ids 0, 1 and 50,000


@PATIENT
@given(st.integers(0, 1 << 40), st.integers(0, 448), st.integers(0, 51_000))
def test_noise_of_an_id_depends_on_nothing_else(seed: int, position: int, first: int) -> None:
    """The noise of a slice of the vocabulary is the slice of the noise."""
    ids = np.arange(first, first + 50)
    alone = gumbel(seed, position, ids)
    assert np.array_equal(gumbel(seed, position, IDS[: first + 50])[first:], alone)
    assert np.array_equal(KEPT.gumbel(seed, position, slice(first, first + 50)), alone)


def test_uniform_numbers_are_uniform() -> None:
    """Means, variances and tenths of the numbers are those of (0, 1), for several seeds and positions."""
    numbers = np.stack([uniform(seed, position, IDS) for seed in range(4) for position in range(8)])
    assert numbers.dtype == np.float32
    assert 0 < numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 1e-3
    assert abs(numbers.var() - 1 / 12) < 1e-3
    tenths = np.histogram(numbers, 10, (0, 1))[0] / numbers.size
    assert np.abs(tenths - 0.1).max() < 2e-3


def test_rows_are_uncorrelated() -> None:
    """Neighbouring positions, seeds and ids have nothing to do with each other."""
    first = uniform(1, 1, IDS)
    for other in (uniform(1, 2, IDS), uniform(2, 1, IDS), np.roll(first, 1)):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.02


def test_gumbel_draws_follow_the_softmax() -> None:
    """The best of logits plus noise is each id as often as softmax says."""
    logits = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    draws = [int(np.argmax(logits + gumbel(seed, 5, np.arange(3)))) for seed in range(4_000)]
    assert np.abs(np.bincount(draws) / len(draws) - [0.6, 0.3, 0.1]).max() < 0.025


def test_mixing_loses_nothing() -> None:
    """Different words stay different."""
    assert len(np.unique(mix(np.arange(1 << 16, dtype=np.uint32)))) == 1 << 16


def test_known_values() -> None:
    """The numbers are those of the first release: a change of the noise would change every sampled text."""
    assert uniform(7, 3, np.array([0, 1, 50_000])).tolist() == KNOWN
