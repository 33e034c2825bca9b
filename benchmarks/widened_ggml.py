"""A Whisper folder as the one file that whisper.cpp reads, matrices in its 8-bit form.

Source of the format: whisper.cpp, `models/convert-h5-to-ggml.py`, `examples/common-ggml.cpp` and ggml's `block_q8_0`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.peers.convert_weights import openai_name
from amanuensis.npu.log_mel import mel_filters
from amanuensis.npu.model_files import ModelFiles, expected_shapes
from amanuensis.npu.tokenizer import Tokenizer

MAGIC: Final = 0x67676D6C
F32, F16, Q8_0 = 0, 1, 8  # ggml's types of tensors
MOSTLY_Q8_0: Final = 2007  # format 2 of quantised models, kind 7
BLOCK: Final = 32  # values that share a scale


def write_ggml(files: ModelFiles, target: Path) -> None:
    """Write the file of a model."""
    sizes = files.dimensions
    head = (
        *(MAGIC, sizes.vocabulary, sizes.audio_positions, sizes.width, sizes.encoder_heads, sizes.encoder_layers),
        *(sizes.text_positions, sizes.width, sizes.decoder_heads, sizes.decoder_layers, sizes.n_mels, MOSTLY_Q8_0),
    )
    with target.open("wb") as file:
        file.write(struct.pack("<12i", *head))
        filters = mel_filters(sizes.n_mels)
        file.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())
        tokenizer = Tokenizer(files.folder)
        texts = [tokenizer.text_bytes(token) for token in range(tokenizer.eot)]  # whisper.cpp names the special tokens
        file.write(struct.pack("<i", len(texts)))
        for text in texts:
            file.write(struct.pack("<i", len(text)) + text)
        for name, _ in expected_shapes(sizes):
            _write_tensor(file, openai_name(name), files.weights[name])


def _write_tensor(file: BinaryIO, name: str, value: NDArray[np.float32]) -> None:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        value = value[:, None]
    kind = _kind(name, value)
    file.write(struct.pack("<3i", value.ndim, len(name), kind))
    file.write(struct.pack(f"<{value.ndim}i", *reversed(value.shape)) + name.encode())
    if kind == Q8_0:
        file.write(_blocks(value))
    else:
        file.write(value.astype("<f2" if kind == F16 else "<f4").tobytes())


def _kind(name: str, value: NDArray[np.float32]) -> int:
    """Return how whisper.cpp expects a tensor: matrices small, kernels of convolutions in half precision."""
    if value.ndim == 3:
        return F16
    return Q8_0 if name.endswith(".weight") and value.ndim == 2 else F32


def _blocks(value: NDArray[np.float32]) -> bytes:
    """Return a matrix as blocks of a float16 scale and BLOCK integers."""
    parted = value.reshape(-1, BLOCK)
    scales = np.abs(parted).max(axis=1) / 127
    levels = np.rint(parted / np.where(scales > 0, scales, 1)[:, None])
    blocks = np.empty(len(parted), [("scale", "<f2"), ("levels", np.int8, BLOCK)])
    blocks["scale"], blocks["levels"] = scales, levels
    return blocks.tobytes()
