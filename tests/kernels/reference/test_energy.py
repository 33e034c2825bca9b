"""The energy gate on frames whose energy and flatness are known."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.reference.energy import energy_gate, log_powers


@pytest.mark.parametrize(("power", "expected_db"), [(1.0, 10 * np.log10(80)), (1e-4, 10 * np.log10(80e-4))])
def test_white_frames_are_flat(power: float, expected_db: float) -> None:
    """Equal powers have flatness 1 and add up."""
    energy, flatness = energy_gate(np.full((1, 80), np.log10(power), np.float32))[0]
    assert energy == pytest.approx(expected_db, abs=1e-3)
    assert flatness == pytest.approx(1, abs=1e-5)


def test_tones_are_not_flat() -> None:
    """One loud bin carries the energy; the flatness is that of the formula."""
    logs = np.full((1, 80), -6, np.float32)
    logs[0, 10] = 2
    powers = 10.0 ** logs[0].astype(np.float64)
    energy, flatness = energy_gate(logs)[0]
    assert energy == pytest.approx(20, abs=0.01)
    assert flatness == pytest.approx(np.exp(np.log(powers).mean()) / powers.mean(), rel=1e-3)
    assert flatness < 1e-5


def test_silence_has_the_energy_of_the_floor() -> None:
    """No power at all counts as the floor of 1e-10 in each bin, without infinities."""
    energy, flatness = energy_gate(np.full((2, 80), -np.inf, np.float32))[1]
    assert energy == pytest.approx(-100 + 10 * np.log10(80), abs=1e-3)
    assert flatness == pytest.approx(1, abs=1e-5)


def test_features_are_unscaled() -> None:
    """Whisper's features are (log10 power + 4) / 4."""
    assert np.allclose(log_powers(np.array([[1.0, -1.5]], np.float32)), [[0, -10]])
