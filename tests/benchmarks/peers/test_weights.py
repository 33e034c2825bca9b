"""Forms of weights for the peers."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.peers.peer import PeerFailedError, Weights
from amanuensis.benchmarks.peers.tiktoken_vocabulary import TEXT_TOKENS
from amanuensis.benchmarks.peers.weights import alignment_heads, english_folder
from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu.tokenizer import Tokenizer


def test_alignment_heads_are_written_as_openai_whisper_does(tmp_path: Path) -> None:
    """A byte for each head, layer by layer, compressed, in base 85."""
    (tmp_path / "config.json").write_text(json.dumps({"decoder_layers": 2, "decoder_attention_heads": 3}))
    (tmp_path / "generation_config.json").write_text(json.dumps({"alignment_heads": [[1, 0], [1, 2]]}))
    bits = np.frombuffer(gzip.decompress(base64.b85decode(alignment_heads(tmp_path))), bool)
    assert bits.reshape(2, 3).tolist() == [[False] * 3, [True, False, True]]


def test_a_missing_form_is_named(tmp_path: Path) -> None:
    """A peer that reads a form that is not there cannot run, and says which."""
    weights = Weights(ggml=tmp_path / "absent.bin")
    with pytest.raises(PeerFailedError, match="'ctranslate2' are not given"):
        weights.need("ctranslate2")
    with pytest.raises(PeerFailedError, match=r"'ggml' are .*absent\.bin"):
        weights.need("ggml")


def test_the_folder_of_an_english_model_says_so_in_its_name(tmp_path: Path) -> None:
    """WhisperLiveKit reads from the name that a model is English; weights are linked, not copied, and made once."""
    texts = Tokenizer(make_random_model(tmp_path / "small", RandomModel())).eot
    model = make_random_model(
        tmp_path / "model", RandomModel(fillers=TEXT_TOKENS - texts, width=16, alignment_heads=((0, 0),))
    )
    folder = english_folder(model)
    assert folder.name.endswith(".en")
    assert (folder / "model.safetensors").samefile(model / "model.safetensors")
    assert (folder / "assets/gpt2.tiktoken").is_file()
    made = folder.stat().st_mtime_ns
    assert english_folder(model).stat().st_mtime_ns == made
    assert (folder / "alignment_heads").read_text() == alignment_heads(model)
