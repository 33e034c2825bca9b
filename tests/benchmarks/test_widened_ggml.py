"""The file for whisper.cpp, read back as its loader reads it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from amanuensis.benchmarks.peers.convert_weights import openai_name, read_tensors
from amanuensis.benchmarks.random_model import make_random_model
from amanuensis.benchmarks.widened_ggml import BLOCK, F16, F32, MAGIC, MOSTLY_Q8_0, Q8_0, write_ggml
from amanuensis.npu.log_mel import mel_filters
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer


class Reader:
    """Takes values from the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, n: int) -> bytes:
        part, self.data = self.data[:n], self.data[n:]
        assert len(part) == n
        return part

    def ints(self, n: int) -> tuple[int, ...]:
        return struct.unpack(f"<{n}i", self.take(4 * n))

    def tensor(self) -> tuple[str, int, NDArray[np.float32]]:
        dimensions, name_length, kind = self.ints(3)
        shape = tuple(reversed(self.ints(dimensions)))
        name = self.take(name_length).decode()
        n = int(np.prod(shape))
        if kind == Q8_0:
            blocks = np.frombuffer(self.take(n // BLOCK * (BLOCK + 2)), [("scale", "<f2"), ("levels", "i1", BLOCK)])
            values = blocks["scale"][:, None].astype(np.float32) * blocks["levels"]
        else:
            values = np.frombuffer(self.take(n * {F16: 2, F32: 4}[kind]), {F16: "<f2", F32: "<f4"}[kind])
        return name, kind, values.astype(np.float32).reshape(shape)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A small model with random weights."""
    return ModelFiles.load(make_random_model(tmp_path_factory.mktemp("random") / "model"))


def test_whole_file_reads_back(model: ModelFiles, tmp_path: Path) -> None:
    """Header, filters, tokens and every tensor, with nothing left over."""
    write_ggml(model, tmp_path / "model.bin")
    file, sizes, tokenizer = Reader((tmp_path / "model.bin").read_bytes()), model.dimensions, Tokenizer(model.folder)
    assert file.ints(2) == (MAGIC, sizes.vocabulary)
    assert file.ints(4) == (1500, 64, 1, 2)
    assert file.ints(6) == (448, 64, 1, 2, 80, MOSTLY_Q8_0)
    assert file.ints(2) == (80, 201)
    np.testing.assert_array_equal(np.frombuffer(file.take(4 * 80 * 201), "<f4"), mel_filters(80).ravel())
    texts = [file.take(file.ints(1)[0]) for _ in range(file.ints(1)[0])]
    assert len(texts) == tokenizer.eot
    assert b"".join(texts[token] for token in tokenizer.encode(" the light")) == b" the light"
    tensors = {openai_name(name): value for name, value in read_tensors(model.folder).items()}
    while file.data:
        name, kind, value = file.tensor()
        wanted = tensors.pop(name)
        step = np.abs(wanted).max() / 127 if kind == Q8_0 else 1e-3 * max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(value.reshape(wanted.shape), wanted, rtol=0, atol=step)
    assert not tensors


def test_names_are_those_of_openai() -> None:
    """Layer norms before attentions are not taken for attentions."""
    assert openai_name("decoder.layers.1.encoder_attn_layer_norm.weight") == "decoder.blocks.1.cross_attn_ln.weight"
    assert openai_name("encoder.layers.0.self_attn.k_proj.weight") == "encoder.blocks.0.attn.key.weight"
    assert openai_name("encoder.layers.5.final_layer_norm.bias") == "encoder.blocks.5.mlp_ln.bias"
    assert openai_name("decoder.embed_positions.weight") == "decoder.positional_embedding"
    assert openai_name("decoder.embed_tokens.weight") == "decoder.token_embedding.weight"
    assert [openai_name(f"{part}.layer_norm.bias") for part in ("encoder", "decoder")] == [
        "encoder.ln_post.bias",
        "decoder.ln.bias",
    ]
