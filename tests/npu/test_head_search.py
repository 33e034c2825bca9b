"""Heads that follow the sound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.npu.calibration_sound import timed_windows
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.head_search import AttentionOf, HeadChoice, remember, search
from amanuensis.npu.model_error import ModelError
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import Row, RowRules
from amanuensis.npu.rules import make_selection
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def builtin() -> ModelFiles:
    """The built-in model."""
    return ModelFiles.load(resolve("builtin"))


@pytest.fixture(scope="module")
def attention(builtin: ModelFiles) -> AttentionOf:
    """What all heads of the built-in model do on the bundled speech; on two windows of it another may be as good."""
    shares: list[float] = []
    windows = timed_windows(Tokenizer(builtin.folder), builtin.dimensions.n_mels)
    found = AttentionOf(builtin, windows, shares.append)
    assert shares == [(done + 1) / len(windows) for done in range(len(windows))]
    return found


def test_the_search_finds_the_heads_that_were_guided(builtin: ModelFiles, attention: AttentionOf) -> None:
    """Of all heads those that training guided keep the most constant distance from words; no single one is better."""
    found = search(attention)
    assert set(found.heads) <= set(builtin.generation.alignment_heads)
    assert found.error_ms <= attention.measure(builtin.generation.alignment_heads).error_ms
    singles = [attention.measure([head]) for head in attention.heads]
    assert found.error_ms <= min(single.error_ms for single in singles)
    assert max(single.p90_ms for single in singles) > 1_000


def test_the_lag_of_the_guided_heads_is_the_known_one(builtin: ModelFiles, attention: AttentionOf) -> None:
    """What is measured here is what models of our training have when their manifest does not say it."""
    found = attention.measure(builtin.generation.alignment_heads)
    assert builtin.generation.attention_lag_ms is not None
    assert abs(found.lag_ms - builtin.generation.attention_lag_ms) <= 10
    assert found.median_ms <= 30
    assert found.p90_ms <= 80


def test_the_attention_is_that_of_the_back_end(builtin: ModelFiles, attention: AttentionOf) -> None:
    """The reference computes the same attention as the graph that decodes."""
    tokenizer = Tokenizer(builtin.folder)
    window = timed_windows(tokenizer, builtin.dimensions.n_mels)[0]
    model = CpuModel(builtin, "float32", threads=1)
    model.load_selection(make_selection(builtin.generation, tokenizer, builtin.dimensions.vocabulary))
    decoder = model.decoder(model.encode(window.features))
    theirs = decoder.forward(window.tokens, [Row(0, RowRules(candidates=0, no_speech=True))]).attention[:, 0]
    ours = attention.rows(0, builtin.generation.alignment_heads)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_what_was_found_is_remembered(tmp_path: Path) -> None:
    """The folder says it from then on, and keeps what else its files say."""
    folder = make_random_model(tmp_path / "model")
    (folder / "amanuensis.json").unlink()
    before = ModelFiles.load(folder)
    assert before.generation.attention_lag_ms is None
    remember(folder, HeadChoice(((0, 0),), -12.5, 20.0, 50.0), heads=False)
    lag_only = ModelFiles.load(folder)
    assert lag_only.generation.attention_lag_ms == -12.5
    assert lag_only.generation.alignment_heads == before.generation.alignment_heads
    remember(folder, HeadChoice(((0, 0), (1, 0)), 3.0, 20.0, 50.0), heads=True)
    after = ModelFiles.load(folder)
    assert after.generation.alignment_heads == ((0, 0), (1, 0))
    assert after.generation.suppress == before.generation.suppress
    (folder / "amanuensis.json").write_text("[")
    with pytest.raises(ModelError, match=r"amanuensis\.json: not readable as JSON"):
        remember(folder, HeadChoice(((0, 0),), 0.0, 0.0, 0.0), heads=False)
    assert json.loads((folder / "generation_config.json").read_text())["alignment_heads"] == [[0, 0], [1, 0]]
