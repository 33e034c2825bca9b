"""The small random model for which the answers of transformers are recorded, and where they lie."""

from __future__ import annotations

from pathlib import Path

from amanuensis.benchmarks.random_model import RandomModel

ANSWER = Path(__file__).resolve().parents[1] / "data" / "parity" / "answer.npz"
MODEL = RandomModel(
    heads=2,
    dtype="float16",
    alignment_heads=((0, 1), (1, 0)),
    multilingual=True,
    score_gain=2.0,
    residual_gain=0.5,
    seed=3,
)
MEL_FRAMES = 201  # odd, so that the second convolution rounds
TOKENS = 24
