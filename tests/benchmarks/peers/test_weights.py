"""Forms of weights for the peers."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.peers.peer import PeerFailedError, Weights
from amanuensis.benchmarks.peers.weights import alignment_heads


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
