"""Tests of what is fixed about the cepstral statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from amanuensis.npu.speaker_builtin import Constants
from amanuensis.npu.speaker_sound import N_CEPSTRA
from amanuensis.training.speaker_background import background, within_speaker_whitening
from amanuensis.training.speaker_loader import Corpus


def test_what_varies_within_speakers_counts_less_after_whitening() -> None:
    """Speakers differ along one axis and vary along another: the ratio of the two grows."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(50), 8)
    centres = rng.normal(0, 1, (50, 3)) * [1.0, 0.1, 0.1]
    values = centres[speakers] + rng.normal(0, 1, (400, 3)) * [0.1, 1.0, 0.1]
    changed = values @ within_speaker_whitening(values.astype(np.float32), speakers)

    def share_between(rows: np.ndarray) -> float:
        means = np.stack([rows[speakers == number].mean(axis=0) for number in range(50)])
        return float(means.var(axis=0).sum() / rows.var(axis=0).sum())

    assert share_between(changed) > 1.1 * share_between(values)


def test_constants_are_written_and_read(tmp_path: Path) -> None:
    """To five decimals, for a corpus of noise as for any other."""
    rng = np.random.default_rng(1)
    corpus = Corpus(tmp_path)
    corpus.mels = [rng.normal(-4, 1, (220, 80)).astype(np.float16) for _ in range(90)]
    corpus.speakers = [number // 3 for number in range(90)]
    np.save(tmp_path / "noise.npy", rng.normal(-3, 1, (2, 300, 80)).astype(np.float16))
    constants = background(corpus)
    constants.write(tmp_path / "speakers.json")
    again = Constants.read(tmp_path / "speakers.json")
    assert again.mean.shape == (2 * N_CEPSTRA,)
    for name in ("mean", "spread", "whitening"):
        assert np.allclose(getattr(again, name), getattr(constants, name), atol=1e-5)
