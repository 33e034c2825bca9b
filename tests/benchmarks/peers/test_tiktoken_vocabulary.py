"""The built-in model's vocabulary for readers that know GPT-2's only."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from amanuensis.benchmarks.peers.tiktoken_vocabulary import TEXT_TOKENS, write_vocabulary
from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.tokenizer import Tokenizer


def test_every_text_token_has_bytes_of_its_own(tmp_path: Path) -> None:
    """The reader counts the tokens and wants each once; real ones keep their bytes."""
    texts = Tokenizer(make_random_model(tmp_path / "small", RandomModel())).eot
    model = make_random_model(tmp_path / "model", RandomModel(fillers=TEXT_TOKENS - texts))
    write_vocabulary(model, tmp_path / "folder")
    rows = [line.split() for line in (tmp_path / "folder/assets/gpt2.tiktoken").read_text().splitlines()]
    assert [int(token) for _, token in rows] == list(range(TEXT_TOKENS))
    assert len({text for text, _ in rows}) == TEXT_TOKENS
    tokenizer = Tokenizer(model)
    ids = tokenizer.encode(" turn the light on")
    assert b"".join(base64.b64decode(rows[token][0]) for token in ids) == b" turn the light on"


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    """Special tokens have fixed places after the text, so another number of texts would move them."""
    with pytest.raises(ValueError, match="text tokens"):
        write_vocabulary(make_random_model(tmp_path / "small", RandomModel()), tmp_path)
