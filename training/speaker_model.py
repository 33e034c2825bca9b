"""The network of speaker embeddings, made of the operators that the device has, and the loss that it is trained with.

Convolutions of 3 taps (im2col and matrix product), layer norm, GELU, residual sums, and pooling by attention with
learned queries in place of keys' own: each is an operator of `amanuensis.kernels.ops`. The loss is AM-softmax
(Wang et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from amanuensis.npu.speaker_sound import N_MELS


@dataclass(frozen=True)
class Sizes:
    """The shape of the network; the array takes widths of whole tiles of 64."""

    width: int = 128
    fast_blocks: int = 2  # at 20 ms a frame
    slow_blocks: int = 4  # at 40 ms a frame
    heads: int = 3
    head_size: int = 64
    queries: int = 3
    dim: int = 128


class Block(nn.Module):
    """x + GELU(conv(layer norm(x))), float32 [batch, frames, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return as many frames as came in."""
        return x + F.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2))


class Pool(nn.Module):
    """Attention of learned queries to all frames: [batch, frames, width] -> [batch, queries * heads * head_size]."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        inner = sizes.heads * sizes.head_size
        self.sizes = sizes
        self.query = nn.Parameter(torch.randn(sizes.queries, inner) * 0.5)
        self.key, self.value = nn.Linear(sizes.width, inner), nn.Linear(sizes.width, inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each query finds, one after the other."""
        s = self.sizes
        key = self.key(x).unflatten(2, (s.heads, s.head_size))
        value = F.gelu(self.value(x)).unflatten(2, (s.heads, s.head_size))
        query = self.query.unflatten(1, (s.heads, s.head_size))
        shares = (torch.einsum("qhd,bthd->bqht", query, key) * s.head_size**-0.5).softmax(dim=3)
        return torch.einsum("bqht,bthd->bqhd", shares, value).flatten(1)


class SpeakerNet(nn.Module):
    """Natural log-mel around its level [batch, frames, N_MELS] to a vector [batch, dim], not yet of unit length."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.width
        self.conv1 = nn.Conv1d(N_MELS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.fast = nn.ModuleList(Block(width) for _ in range(sizes.fast_blocks))
        self.conv3 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.slow = nn.ModuleList(Block(width) for _ in range(sizes.slow_blocks))
        self.norm = nn.LayerNorm(width)
        self.pool = Pool(sizes)
        self.out = nn.Linear(sizes.queries * sizes.heads * sizes.head_size, sizes.dim, bias=False)
        self.out_norm = nn.BatchNorm1d(sizes.dim)
        with torch.no_grad():  # PyTorch's scale lets the signal die before the residual stream
            self.conv1.weight *= 0.5
            self.conv2.weight *= 2.0
            self.conv3.weight *= 2.0

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Return the vectors."""
        x = F.gelu(self.conv1(mel.transpose(1, 2)))
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        for block in self.fast:
            x = block(x)
        x = F.gelu(self.conv3(x.transpose(1, 2))).transpose(1, 2)
        for block in self.slow:
            x = block(x)
        return self.out_norm(self.out(self.pool(self.norm(x))))


class Margin(nn.Module):
    """AM-softmax over the speakers of the training."""

    def __init__(self, dim: int, speakers: int, scale: float = 30.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(speakers, dim) * 0.1)
        self.scale = scale

    def forward(
        self, vectors: torch.Tensor, speakers: torch.Tensor, margin: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (loss, share of vectors nearest to their own centre)."""
        cosines = F.normalize(vectors) @ F.normalize(self.centres).T
        right = (cosines.argmax(1) == speakers).float().mean()
        cosines = cosines - margin * F.one_hot(speakers, len(self.centres))
        return F.cross_entropy(self.scale * cosines, speakers), right
