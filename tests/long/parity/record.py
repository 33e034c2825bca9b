"""Record what `make test` compares with: `.venv-peers/bin/python -m tests.long.parity.record`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from amanuensis.benchmarks.random_model import make_random_model
from tests.helpers.parity_fixture import ANSWER, MEL_FRAMES, MODEL, TOKENS
from tests.long.parity.transformers_model import ask


def main() -> None:
    """Write the answers of transformers."""
    torch.set_grad_enabled(False)
    random = np.random.default_rng(11)
    features = random.standard_normal((MODEL.n_mels, MEL_FRAMES)).astype(np.float16).astype(np.float32)
    tokens = random.integers(0, 280, TOKENS)
    with tempfile.TemporaryDirectory() as folder:
        answer = ask(make_random_model(Path(folder), MODEL), features, tokens.tolist())
    np.savez_compressed(
        ANSWER,
        features=features.astype(np.float16),
        tokens=tokens,
        states=answer.states,
        logits=answer.logits,
        attention=answer.attention,
    )


if __name__ == "__main__":
    main()
