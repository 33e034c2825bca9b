"""Tests of the mixture of Gaussians and of the projection that parts speakers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amanuensis.npu.speaker_mixture import Mixture
from amanuensis.training import speaker_mixture
from amanuensis.training.speaker_mixture import discriminants, fit_mixture


def test_a_mixture_finds_the_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames around two centres: one component at each, with their shares and spreads."""
    monkeypatch.setattr(speaker_mixture, "COMPONENTS", 2)
    rng = np.random.default_rng(0)
    frames = np.concatenate([rng.normal(-3, 0.5, (300, 19)), rng.normal(2, 1.0, (900, 19))]).astype(np.float32)
    mixture = fit_mixture(frames, rng)
    order = mixture.shares.argsort()
    assert mixture.shares[order] == pytest.approx([0.25, 0.75], abs=0.01)
    assert np.allclose(mixture.means[order], [[-3.0], [2.0]], atol=0.2)
    assert np.allclose(np.sqrt(mixture.variances[order]), [[0.5], [1.0]], atol=0.2)
    assert np.allclose(mixture.posteriors(frames).sum(axis=1), 1, atol=1e-5)


def test_the_supervector_tells_a_shift_of_one_sound(tmp_path: Path) -> None:
    """Frames of one component, moved by a standard deviation, move its part alone; few frames move it less."""
    means = np.stack([np.zeros(19), np.full(19, 10.0)]).astype(np.float32)
    half, nothing = np.full(2, 0.5, np.float32), np.zeros(38, np.float32)
    mixture = Mixture(means, np.ones((2, 19), np.float32), half, nothing, np.eye(38, dtype=np.float32))
    many, few = (mixture.supervector(np.full((n, 19), 1.0, np.float32)) for n in (400, 4))
    assert np.allclose(many[:19], np.sqrt(0.5) * 400 / 404, atol=1e-4)
    assert np.allclose(many[19:], 0, atol=1e-4)
    assert np.allclose(few[:19], np.sqrt(0.5) * 0.5, atol=1e-4)
    mixture.write(tmp_path / "speakers.npz")
    again = Mixture.read(tmp_path / "speakers.npz")
    mel = np.random.default_rng(0).normal(-8, 2, (50, 80)).astype(np.float32)
    assert again.dim == 38
    assert np.allclose(again.embed(mel), mixture.embed(mel), atol=1e-5)


def test_the_projection_parts_speakers() -> None:
    """Speakers differ along one axis and vary along another: the first of the result is the axis of the speakers."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(50), 8)
    centres = rng.normal(0, 1, (50, 4)) * [1.0, 0.1, 0.1, 0.1]
    values = centres[speakers] + rng.normal(0, 1, (400, 4)) * [0.1, 1.0, 0.1, 0.1]
    values -= values.mean(axis=0)
    (axis,) = discriminants(values.astype(np.float32), speakers, 1).T
    assert abs(axis[0]) > 0.95 * np.linalg.norm(axis)
