"""Tests of what is fixed about the cepstral statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from amanuensis.npu.speaker_builtin import Constants
from amanuensis.npu.speaker_sound import N_CEPSTRA
from amanuensis.training.speaker_background import background
from amanuensis.training.speaker_loader import Corpus


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
    for name in ("mean", "spread"):
        assert np.allclose(getattr(again, name), getattr(constants, name), atol=1e-5)
