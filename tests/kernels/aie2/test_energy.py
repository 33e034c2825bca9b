"""Energy and flatness of frames on a core, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.dtypes import Float32
from amanuensis.kernels.reference.energy import POWER_FLOOR, energy_gate, log_powers
from tests.kernels.cores import ARCHITECTURES, empty, fresh, needs_compiler, placed

pytestmark = needs_compiler

ENERGY_ERROR_DB = 1e-4
FLATNESS_ERROR = 1e-4  # of the value: the logarithms are good to 1e-7 of values near 10, and exp makes 1e-5 of that


def measured(src: Float32, powers: int, architecture: str) -> Float32:
    """Return energy and flatness of each frame from a core."""
    rows, width = src.shape
    dst: Float32 = empty((rows, 2), np.float32)
    fresh("energy", architecture, m=rows, n=width)(placed(src), dst, powers)
    return dst


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("n_mels", [80, 128])
def test_energy_is_the_references(n_mels: int, architecture: str) -> None:
    """Features and powers over 20 decades, silence and single tones give the reference's energy and flatness."""
    logs = np.random.default_rng(0).uniform(-10, 4, (37, n_mels)).astype(np.float32)
    logs[0], logs[1] = -10, -2
    logs[2] = -10
    logs[2, 7] = 3
    powers = (10.0**logs).astype(np.float32)
    powers[3, :5] = 0  # under the floor
    features = (logs + np.float32(4)) / np.float32(4)
    expected_of_powers = energy_gate(np.log10(np.maximum(powers, POWER_FLOOR)))
    for src, kind, expected in ((features, 0, energy_gate(log_powers(features))), (powers, 1, expected_of_powers)):
        found = measured(src, kind, architecture)
        print(f"energy: largest error {abs(found - expected)[:, 0].max():.1e} dB")
        assert np.abs(found[:, 0] - expected[:, 0]).max() < ENERGY_ERROR_DB
        assert np.allclose(found[:, 1], expected[:, 1], rtol=FLATNESS_ERROR, atol=0)
