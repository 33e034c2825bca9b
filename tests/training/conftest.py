"""Fixtures of the training's tests."""

from pathlib import Path

import pytest

from amanuensis.training.tokenizer import Vocabulary, train


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """A tokeniser of made sentences, without a text folder."""
    path = Path(tmp_path_factory.mktemp("tokenizer")) / "tokenizer.json"
    train(path, None, seed=1)
    return Vocabulary(path)
