"""The fixtures of `make test` against the transformers of today."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from amanuensis.benchmarks.random_model import make_random_model
from tests.helpers.parity_fixture import ANSWER, MODEL
from tests.long.parity.transformers_model import ask


def test_recorded_answers_hold(tmp_path: Path) -> None:
    """Transformers still answers what was recorded."""
    recorded = np.load(ANSWER)
    answer = ask(
        make_random_model(tmp_path, MODEL), recorded["features"].astype(np.float32), recorded["tokens"].tolist()
    )
    for name in ("states", "logits", "attention"):
        np.testing.assert_allclose(getattr(answer, name), recorded[name], atol=1e-5)
