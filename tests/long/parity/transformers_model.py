"""What transformers answers, with a free audio context."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu
from transformers import WhisperForConditionalGeneration

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """Encoder states [t, width], logits [n, vocabulary], cross-attention [layers, heads, n, t]."""

    states: Float32
    logits: Float32
    attention: Float32


def ask(folder: Path, features: Float32, tokens: list[int]) -> Answer:
    """Return what the model of a folder makes of features [n_mels, n] of any length, and tokens after them."""
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    states = _encode(model.eval().model.encoder, torch.from_numpy(features)[None])
    output = model(encoder_outputs=(states,), decoder_input_ids=torch.tensor([tokens]), output_attentions=True)
    attention = torch.stack([layer[0] for layer in output.cross_attentions])
    return Answer(states[0].numpy(), output.logits[0].numpy(), attention.numpy())


def _encode(encoder: torch.nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Run the encoder's own layers; its `forward` takes 30 s only."""
    hidden = gelu(encoder.conv2(gelu(encoder.conv1(features)))).permute(0, 2, 1)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    for layer in encoder.layers:
        output = layer(hidden, None)
        hidden = output[0] if isinstance(output, tuple) else output
    return encoder.layer_norm(hidden)
