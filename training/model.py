"""Whisper's architecture in PyTorch, parameters named as in Hugging Face transformers, with heads for training.

Source: openai/whisper `whisper/model.py`; names as `transformers` `WhisperForConditionalGeneration`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amanuensis.training.speech import PHONES

MAX_SOURCE = 1500  # encoder frames of 20 ms
MAX_TARGET = 448  # tokens


@dataclass(frozen=True)
class Dimensions:
    """Sizes of the model."""

    vocabulary: int
    text_tokens: int
    width: int = 256
    heads: int = 4
    hidden: int = 1024
    encoder_layers: int = 6
    decoder_layers: int = 2
    mels: int = 80
    phones: int = len(PHONES)
    phone_layer: int = 2  # encoder layers before the phone head


def sinusoids(length: int, width: int) -> Tensor:
    """Return Whisper's encoder positions, float32 [length, width]."""
    step = math.log(10_000) / (width // 2 - 1)
    phase = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(width // 2))[None]
    return torch.cat([phase.sin(), phase.cos()], dim=1)


class Attention(nn.Module):
    """Multi-head attention, written out so that its weights can be guided."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (output [b, n, width], weights [b, heads, n, m]); `mask` is added to the scores."""
        b, n, width = x.shape
        size = width // self.heads
        q = self.q_proj(x).view(b, n, self.heads, size).transpose(1, 2) * size**-0.5
        k = self.k_proj(source).view(b, -1, self.heads, size).transpose(1, 2)
        v = self.v_proj(source).view(b, -1, self.heads, size).transpose(1, 2)
        scores = q @ k.transpose(-1, -2)
        weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(b, n, width)), weights


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward."""

    def __init__(self, d: Dimensions) -> None:
        super().__init__()
        self.self_attn = Attention(d.width, d.heads)
        self.self_attn_layer_norm = nn.LayerNorm(d.width)
        self.fc1 = nn.Linear(d.width, d.hidden)
        self.fc2 = nn.Linear(d.hidden, d.width)
        self.final_layer_norm = nn.LayerNorm(d.width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [b, n, width]."""
        y = self.self_attn_layer_norm(x)
        x = x + self.self_attn(y, y, None)[0]
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class DecoderLayer(nn.Module):
    """Pre-norm causal self-attention, cross-attention and feed-forward."""

    def __init__(self, d: Dimensions) -> None:
        super().__init__()
        self.self_attn = Attention(d.width, d.heads)
        self.self_attn_layer_norm = nn.LayerNorm(d.width)
        self.encoder_attn = Attention(d.width, d.heads)
        self.encoder_attn_layer_norm = nn.LayerNorm(d.width)
        self.fc1 = nn.Linear(d.width, d.hidden)
        self.fc2 = nn.Linear(d.hidden, d.width)
        self.final_layer_norm = nn.LayerNorm(d.width)

    def forward(self, x: Tensor, source: Tensor, causal: Tensor) -> tuple[Tensor, Tensor]:
        """Return (x, cross-attention weights)."""
        y = self.self_attn_layer_norm(x)
        x = x + self.self_attn(y, y, causal)[0]
        attended, weights = self.encoder_attn(self.encoder_attn_layer_norm(x), source, None)
        x = x + attended
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x)))), weights


class Encoder(nn.Module):
    """Two convolutions, positions, layers."""

    def __init__(self, d: Dimensions) -> None:
        super().__init__()
        self.phone_layer = d.phone_layer
        self.conv1 = nn.Conv1d(d.mels, d.width, 3, padding=1)
        self.conv2 = nn.Conv1d(d.width, d.width, 3, stride=2, padding=1)
        # With PyTorch's own scale the sound would be a tenth of the positions, and nothing is learnt for hours.
        self.conv1.weight.data *= 3.0
        self.conv2.weight.data *= 4.5
        self.embed_positions = nn.Embedding(MAX_SOURCE, d.width)
        self.embed_positions.weight.data = sinusoids(MAX_SOURCE, d.width)
        self.embed_positions.weight.requires_grad = False
        self.layers = nn.ModuleList(EncoderLayer(d) for _ in range(d.encoder_layers))
        self.layer_norm = nn.LayerNorm(d.width)

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Return (output, output of the phone layer), both [b, frames / 2, width], of mel [b, 80, frames]."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.embed_positions.weight[: x.shape[1]].to(x.dtype)
        middle = x
        for i, layer in enumerate(self.layers, 1):
            x = layer(x)
            if i == self.phone_layer:
                middle = x
        return self.layer_norm(x), middle


class Decoder(nn.Module):
    """Embeddings, layers, tied output."""

    def __init__(self, d: Dimensions) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(d.vocabulary, d.width)
        self.embed_positions = nn.Embedding(MAX_TARGET, d.width)
        nn.init.normal_(self.embed_tokens.weight, std=0.05)
        nn.init.normal_(self.embed_positions.weight, std=0.02)
        self.layers = nn.ModuleList(DecoderLayer(d) for _ in range(d.decoder_layers))
        self.layer_norm = nn.LayerNorm(d.width)

    def forward(self, tokens: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return (logits [b, n, vocabulary], the last layer's cross-attention [b, heads, n, m])."""
        n = tokens.shape[1]
        x = self.embed_tokens(tokens) + self.embed_positions.weight[:n]
        x = x.to(source.dtype)
        causal = torch.full((n, n), -1e4, dtype=source.dtype, device=tokens.device).triu(1)
        weights = source
        for layer in self.layers:
            x, weights = layer(x, source, causal)
        return F.linear(self.layer_norm(x), self.embed_tokens.weight.to(x.dtype)), weights


class Whisper(nn.Module):
    """The model under its transformers names (`model.encoder...`), with the heads used in training only."""

    def __init__(self, d: Dimensions) -> None:
        super().__init__()
        self.dimensions = d
        self.model = nn.ModuleDict({"encoder": Encoder(d), "decoder": Decoder(d)})
        self.phone_head = nn.Linear(d.width, d.phones)
        self.ctc_head = nn.Linear(d.width, d.text_tokens + 1)  # the last is the blank

    @property
    def encoder(self) -> Encoder:
        """The encoder."""
        encoder = self.model["encoder"]
        assert isinstance(encoder, Encoder)
        return encoder

    @property
    def decoder(self) -> Decoder:
        """The decoder."""
        decoder = self.model["decoder"]
        assert isinstance(decoder, Decoder)
        return decoder
